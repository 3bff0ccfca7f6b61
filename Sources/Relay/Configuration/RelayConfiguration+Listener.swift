package import AuthHTTP
package import NIOCore
package import Routing
package import SMTPCore

extension RelayConfiguration {
    /// A place where clients connect, and how they are met there.
    package struct Listener: Equatable, Sendable {
        /// Where it is.
        package enum Place: Hashable, Sendable {
            /// A listener that somebody else has bound, by its name.
            case socket(name: String)
            /// An address that the relay binds itself; the port is ``lowestPort`` or above.
            case address(IPAddress, port: UInt16)
            /// A Unix socket that the relay binds itself, at an absolute path.
            case unix(path: String)

            /// The lowest port that a program without privileges may bind.
            package static let lowestPort: UInt16 = 1024
        }

        /// The most lines of a greeting.
        package static let longestGreeting = 8
        /// The longest text of a line of the greeting: with the code, a host name of 255 octets and CRLF it is within the
        /// 512 octets of a reply line (RFC 5321 section 4.5.3.1.5).
        package static let longestGreetingText = 250

        /// Where it is.
        package var place: Place
        /// What EHLO announces, whatever the backends have; nil: what they are known to have decides.
        package var ehlo: ServerExtensions?
        /// Whether what a client sends behind EHLO or DATA without waiting for the answer ends its session (RFC 2920
        /// section 3.1).
        package var isPipeliningStrict = true
        /// Whether a client has to say EHLO or HELO before MAIL (RFC 5321 section 4.1.4).
        package var requiresHello = true
        /// The texts of the lines of the greeting: the first behind the host name, the others alone (RFC 5321 section
        /// 4.2). Printable ASCII; one to ``longestGreeting``.
        package var greeting = ["ESMTP ready"]
        /// How clients' connections are encrypted.
        package var tls = TLSMode.none
        /// The certificates that clients are shown here; none: those of `tls` at the top.
        package var certificates: [CertificateFiles] = []
        /// Whether clients are asked for certificates.
        package var clientCertificates = ClientCertificates.off

        /// Which SASL mechanisms are served, in the order in which they are announced; without any AUTH is not served.
        package var mechanisms: [SASLMechanism] = []
        /// Whether a client has to authenticate itself before MAIL.
        package var requiresAuthentication = false
        /// The file of the users who may authenticate themselves; nil: the lookup says.
        package var users: String?
        /// Whom to ask here in place of the configuration's own lookup.
        package var lookup: LookupConfiguration?

        /// The name in the greeting, EHLO and Received; nil: the server's.
        package var name: String?
        /// How long the greeting waits for a client that does not; zero: not at all.
        package var greetingDelay = TimeAmount.zero
        /// Whether each connection begins with a PROXY header; it is taken from ``RelayConfiguration/proxies`` alone.
        package var expectsProxyHeader = false
        /// What is asked of its sockets.
        package var sockets = Sockets()

        /// Makes a listener with the default settings.
        package init(_ place: Place) {
            self.place = place
        }
    }
}

extension RelayConfiguration.Listener {
    /// What is asked of a listener's sockets; nil: what the system has.
    package struct Sockets: Hashable, Sendable {
        /// The connections that wait to be accepted; of a listener that the relay binds.
        package var backlog: Int?
        /// SO_RCVBUF, in octets.
        package var receiveBuffer: Int?
        /// SO_SNDBUF, in octets.
        package var sendBuffer: Int?
        /// Whether an IPv6 listener has no IPv4 clients; of a listener that the relay binds.
        package var isVersion6Only: Bool?
        /// SO_KEEPALIVE and its times.
        package var keepalive: Keepalive?
        /// How many sockets share the port (SO_REUSEPORT); of a listener that the relay binds.
        package var reusePort = ReusePort.none
        /// The permissions of a Unix socket.
        package var mode: UInt16 = 0o660

        /// Makes the default settings.
        package init() {}
    }

    /// How many sockets a listener has, among which the kernel deals out its clients.
    package enum ReusePort: Hashable, Sendable {
        /// One, which has the port to itself.
        case none
        /// One for each event loop.
        case automatic
        /// As many.
        case sockets(Int)

        /// The most that can be asked for: as many event loops as there can be.
        package static let most = 64

        /// The number of sockets.
        package func count(loops: Int) -> Int {
            switch self {
            case .none: 1
            case .automatic: loops
            case .sockets(let count): count
            }
        }
    }

    /// How a silent connection is looked after (tcp(7)); nil: as the system does.
    package struct Keepalive: Hashable, Sendable {
        /// Seconds of silence before the first probe.
        package var idle: Int?
        /// Seconds between two probes.
        package var interval: Int?
        /// Probes without an answer, after which the connection is lost.
        package var probes: Int?

        /// Makes the system's.
        package init() {}
    }
}

extension RelayConfiguration.Listener.Place: CustomStringConvertible {
    /// The name or the address, as the configuration has it.
    package var description: String {
        switch self {
        case .socket(let name): "socket \"\(name)\""
        case .address(let address, let port): "\(BackendAddress.ip(address, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }
}
