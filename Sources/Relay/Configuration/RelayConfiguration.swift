package import AuthHTTP
package import NIOCore
import ProxyProtocol
package import Resolver
package import Routing

/// relay.yaml, decoded and checked: everything that the relay is told.
package struct RelayConfiguration: Equatable, Sendable {
    /// The name in the greeting, EHLO and Received; nil: the host name.
    package var serverName: String?
    /// Where clients connect; at least one, no two the same.
    package var listeners: [Listener]
    /// The certificates, and what goes with them.
    package var tls: TLS
    /// Who may tell addresses of clients, by a PROXY header.
    package var proxies: Proxies
    /// The groups under `groups:`, in their order.
    package var groups: [BackendGroup]
    /// The routes, in their order; a group that was written inside a route is in it alone.
    package var routes: [Route]
    /// The lookups of single routes, which name them by their places.
    package var routeLookups: [LookupConfiguration]
    /// Where `<Postmaster>` goes when no route matches.
    package var postmaster: BackendGroup?
    /// Whom to ask about recipients that no route matches.
    package var lookup: LookupConfiguration?
    /// What holds for the messages that go to servers that lookups name.
    package var lookupPolicy: DeliveryPolicy
    /// Who says what clients are called, and where the servers are that lookups and groups name; nil: nobody is asked about
    /// clients, and those whom the system asks about servers.
    package var resolver: ResolverConfiguration?
    /// How often the names of backends are asked about.
    package var names: NameBounds
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
        tls: TLS = TLS(),
        proxies: Proxies = Proxies(),
        groups: [BackendGroup] = [],
        routes: [Route] = [],
        routeLookups: [LookupConfiguration] = [],
        postmaster: BackendGroup? = nil,
        lookup: LookupConfiguration? = nil,
        lookupPolicy: DeliveryPolicy = DeliveryPolicy(),
        resolver: ResolverConfiguration? = nil,
        names: NameBounds = NameBounds(),
        limits: Limits = Limits(),
        timeouts: Timeouts = Timeouts(),
        admin: Admin? = nil
    ) {
        self.serverName = serverName
        self.listeners = listeners
        self.tls = tls
        self.proxies = proxies
        self.groups = groups
        self.routes = routes
        self.routeLookups = routeLookups
        self.postmaster = postmaster
        self.lookup = lookup
        self.lookupPolicy = lookupPolicy
        self.resolver = resolver
        self.names = names
        self.limits = limits
        self.timeouts = timeouts
        self.admin = admin
    }

    /// Every place that is asked: for the whole relay, for single listeners, and for single routes.
    var allLookups: [LookupConfiguration] {
        (self.lookup.map { [$0] } ?? []) + self.listeners.compactMap(\.lookup) + self.routeLookups
    }

    /// The routes as the relay asks them.
    package var routeTable: RouteTable { RouteTable(routes: self.routes, postmaster: self.postmaster) }

    /// Whether two accepted recipients can have different destinations, so that senders had better know beforehand that a
    /// transaction has one (RFC 9422: LIMITS RCPTDOMAINMAX=1).
    package var leadsToSeveralDestinations: Bool {
        self.routeTable.leadsToSeveralDestinations(hasLookup: self.lookup != nil)
    }

    /// The same for the clients of one listener, by its place: it may have a lookup of its own, and where every client is
    /// authenticated by a lookup, that lookup's answer is the destination of all its recipients.
    ///
    /// - Parameter table: these routes, where whoever asks has them; a large table takes some time to make.
    package func leadsToSeveralDestinations(at listener: Int, table: RouteTable? = nil) -> Bool {
        guard self.listeners.indices.contains(listener) else { return self.leadsToSeveralDestinations }
        let settings = self.listeners[listener]
        if settings.requiresAuthentication, settings.users == nil { return false }
        return (table ?? self.routeTable).leadsToSeveralDestinations(
            hasLookup: (settings.lookup ?? self.lookup) != nil, at: listener)
    }
}

extension RelayConfiguration {
    /// Proxies that are known as such.
    package struct Proxies: Equatable, Sendable {
        /// Their networks.
        package var networks: [IPNetwork] = []
        /// Whether who connects through a Unix socket is one.
        package var includesUnix = false

        /// Makes an empty list.
        package init() {}

        /// Whether nobody is one.
        package var isEmpty: Bool { self.networks.isEmpty && !self.includesUnix }

        /// Whether who connects from there is one.
        package func contains(_ address: SocketAddress) -> Bool {
            guard let endpoint = address.endpoint else { return self.includesUnix && address.pathname != nil }
            return self.networks.contains { $0.contains(endpoint.address) }
        }
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
        /// The octets a second below which a client that sends a message is ended; 0: no bound. The wait for the next part
        /// of a message (RFC 5321 section 4.5.3.2.5) alone lets one octet every three minutes hold a session for ever.
        package var dataRate = 100
        /// The octets of a message that are kept until its final dot is sent, so that another backend can have it where one
        /// fails; a longer one is not kept; 0: none is.
        package var replayWindow = 64 << 10
        /// The memory that all sessions together may keep messages in; 0: none.
        package var replayTotal = 64 << 20

        /// Makes the default limits.
        package init() {}
    }

    /// How long each thing may take (RFC 5321 section 4.5.3.2).
    package struct Timeouts: Equatable, Sendable {
        /// The wait for the client's next command (RFC 5321 section 4.5.3.2.7).
        package var command: TimeAmount = .minutes(5)
        /// The wait for the client's next part of a message (section 4.5.3.2.5).
        package var dataBlock: TimeAmount = .minutes(3)
        /// The wait for a PROXY header.
        package var proxyHeader: TimeAmount = .seconds(5)
        /// A client's TLS handshake as a whole.
        package var handshake: TimeAmount = .minutes(1)
        /// Making one connection to a backend.
        package var connect: TimeAmount = .seconds(30)
        /// The wait for a backend's greeting (section 4.5.3.2.1).
        package var greeting: TimeAmount = .minutes(5)
        /// The wait for a backend's answer to EHLO, MAIL or RCPT (sections 4.5.3.2.2 and 4.5.3.2.3).
        package var backendCommand: TimeAmount = .minutes(5)
        /// The wait until a backend takes the next part of a message (section 4.5.3.2.5).
        package var backendDataBlock: TimeAmount = .minutes(3)
        /// The answer to RCPT as a whole, with lookup and connect; the sender waits 5 minutes (section 4.5.3.2.3).
        package var recipient: TimeAmount = .minutes(4)
        /// The answer to DATA; the sender waits 2 minutes (section 4.5.3.2.4).
        package var data: TimeAmount = .seconds(100)
        /// The answer to the final dot; the sender waits 10 minutes (section 4.5.3.2.6).
        package var finalDot: TimeAmount = .minutes(9)
        /// What sessions have to end in when the relay stops.
        package var drain: TimeAmount = .seconds(30)

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
