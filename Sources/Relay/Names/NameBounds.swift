package import NIOCore

/// How often the names of backends are asked about.
package struct NameBounds: Equatable, Sendable {
    /// The shortest time between two questions about one name, whatever its TTL.
    package var least: TimeAmount = .seconds(1)
    /// The longest.
    package var longest: TimeAmount = .minutes(5)
    /// How long the last addresses stay that were good, while nobody says others (RFC 8767 section 5: 1 to 3 days).
    package var stale: TimeAmount = .hours(24)

    /// The longest time between two questions that nobody answers: it begins with `least` and doubles.
    let retry: TimeAmount = .seconds(30)

    /// Makes the default bounds.
    package init() {}
}
