/// How connections to a backend are kept for the next session.
///
/// A backend has a bound of its own for the connections that it takes, and another for how long it lets one be idle:
/// those that wait too long, or are too many, are worse than none.
package struct PoolPolicy: Hashable, Sendable {
    /// The most that wait, for each backend and event loop; 0: none are kept.
    package var size = 100
    /// The longest that one waits.
    package var idle = Duration.seconds(5)
    /// The longest that one is used.
    package var age = Duration.seconds(300)
    /// The most transactions that one serves; 0: without a bound.
    package var uses = 100

    /// How many wait, for each backend and event loop, before anybody needs them, however long nobody does.
    package var warm = 0

    /// Makes the default policy.
    package init() {}
}
