package import AuthHTTP
package import NIOCore
package import Routing

/// relay.yaml, decoded and checked: everything that the relay is told.
package struct RelayConfiguration: Equatable, Sendable {
    /// The name in the greeting, EHLO and Received; nil: the host name.
    package var serverName: String?
    /// Where clients connect; at least one, no two the same.
    package var listeners: [Listener]
    /// The groups under `groups:`, in their order.
    package var groups: [BackendGroup]
    /// The routes, in their order; a group that was written inside a route is in it alone.
    package var routes: [Route]
    /// Where `<Postmaster>` goes when no route matches.
    package var postmaster: BackendGroup?
    /// Whom to ask about recipients that no route matches.
    package var lookup: LookupConfiguration?
    /// Bounds on what a client may do.
    package var limits: Limits
    /// How long each thing may take.
    package var timeouts: Timeouts
    /// The admin socket; nil: none.
    package var admin: Admin?

    /// Makes a configuration with the defaults for all that is not given.
    package init(
        serverName: String? = nil,
        listeners: [Listener],
        groups: [BackendGroup] = [],
        routes: [Route] = [],
        postmaster: BackendGroup? = nil,
        lookup: LookupConfiguration? = nil,
        limits: Limits = Limits(),
        timeouts: Timeouts = Timeouts(),
        admin: Admin? = nil
    ) {
        self.serverName = serverName
        self.listeners = listeners
        self.groups = groups
        self.routes = routes
        self.postmaster = postmaster
        self.lookup = lookup
        self.limits = limits
        self.timeouts = timeouts
        self.admin = admin
    }

    /// The routes as the relay asks them.
    package var routeTable: RouteTable { RouteTable(routes: self.routes, postmaster: self.postmaster) }
}

extension RelayConfiguration {
    /// A place where clients connect.
    package enum Listener: Hashable, Sendable {
        /// A listener that somebody else has bound, by its name.
        case socket(name: String)
        /// An address that the relay binds itself; the port is 1024 or above.
        case address(IPAddress, port: UInt16)

        /// The lowest port that a program without privileges may bind.
        package static let lowestPort: UInt16 = 1024
    }

    /// Bounds on what a client may do; 0 means no bound where a property says so.
    package struct Limits: Equatable, Sendable {
        /// The octets of a message, line ends counted, dots of stuffing not (RFC 1870 section 5); 0: no bound.
        package var messageSize = 50 * 1024 * 1024
        /// The recipients of a transaction; RFC 5321 section 4.5.3.1.8 asks for 100 at least.
        package var recipients = 1000
        /// The clients at one time, on all listeners together.
        package var connections = 1000
        /// The commands of a session that are unknown, malformed or not served, before it is closed.
        package var errors = 10
        /// The transactions of a session; 0: no bound.
        package var transactions = 0

        /// Makes the default limits.
        package init() {}
    }

    /// How long each thing may take (RFC 5321 section 4.5.3.2).
    package struct Timeouts: Equatable, Sendable {
        /// The wait for the client's next command (RFC 5321 section 4.5.3.2.7).
        package var command: TimeAmount = .minutes(5)
        /// The wait for the client's next part of a message (section 4.5.3.2.5).
        package var dataBlock: TimeAmount = .minutes(3)
        /// Making one connection to a backend.
        package var connect: TimeAmount = .seconds(30)
        /// The answer to RCPT as a whole, with lookup and connect; the sender waits 5 minutes (section 4.5.3.2.3).
        package var recipient: TimeAmount = .minutes(4)
        /// The answer to DATA; the sender waits 2 minutes (section 4.5.3.2.4).
        package var data: TimeAmount = .seconds(100)
        /// The answer to the final dot; the sender waits 10 minutes (section 4.5.3.2.6).
        package var finalDot: TimeAmount = .minutes(9)

        /// Makes the default timeouts.
        package init() {}
    }

    /// The admin socket and who may use it.
    package struct Admin: Equatable, Sendable {
        /// The path of the Unix socket.
        package var socket: String
        /// Users by name or number.
        package var allow: [String]

        /// Makes the settings of a socket.
        package init(socket: String, allow: [String] = []) {
            self.socket = socket
            self.allow = allow
        }
    }
}
