import NIOCore
package import NIOPosix

/// What makes the bootstraps of listeners, and says which event loop serves whom.
package struct ListenerBootstraps: Sendable {
    private let loops: [any EventLoop]
    private let make: @Sendable (Int, (any EventLoop)?) -> ServerBootstrap

    /// `make` is given a listener, by its place among the configuration's, and the loop that its clients are served on; nil
    /// for all loops in turn.
    init(loops: [any EventLoop], make: @escaping @Sendable (Int, (any EventLoop)?) -> ServerBootstrap) {
        self.loops = loops
        self.make = make
    }

    /// How many event loops there are.
    package var loopCount: Int { self.loops.count }

    /// The bootstrap of a listener's socket. On a loop of its own it accepts and serves there, and no client is handed from
    /// one thread to another; without one, its loop hands clients to all loops in turn.
    package func bootstrap(listener: Int, loop: Int?) -> ServerBootstrap {
        self.make(listener, loop.map { self.loops[$0] })
    }

    /// The loops of a number of sockets that share a port (SO_REUSEPORT): the kernel deals clients out to all of them alike.
    ///
    /// One for each, and again from the first where there are more sockets; none of its own for any where there are fewer,
    /// or a loop would be left without clients.
    package static func loops(ofSockets count: Int, among loops: Int) -> [Int?] {
        (0..<count).map { count > 1 && count >= loops ? $0 % loops : nil }
    }
}
