package import NIOCore

/// Whom to ask about names, and within which bounds.
package struct ResolverConfiguration: Equatable, Sendable {
    /// The DNS servers, in the order in which they are asked: IP addresses with their ports; at least one.
    package var servers: [SocketAddress]
    /// The time of one answer as a whole: a client's name takes two questions (nginx gives this to each of them).
    package var timeout: TimeAmount = .seconds(30)
    /// The most answers that are kept, on each event loop.
    package var maximumCacheEntries = 1024
    /// The longest that an answer is kept, whatever its TTL says.
    package var maximumTTL: TimeAmount = .hours(1)
    /// The longest that the absence of a name is kept (RFC 2308 section 5 advises one to three hours; a name that is
    /// new should not wait as long).
    package var maximumNegativeTTL: TimeAmount = .minutes(5)

    /// The port of a server that says none.
    package static let defaultPort = 53

    /// Makes a configuration with the default bounds.
    package init(servers: [SocketAddress]) {
        self.servers = servers
    }
}
