/// A `listen` of a mail server.
struct MailListen: Equatable {
    /// A socket that it stands for; a range of ports is several.
    struct Socket: Hashable {
        enum Place: Hashable, CustomStringConvertible {
            /// An IPv4 address, or an IPv6 one in brackets, and a port.
            case address(String, port: Int)
            /// A name that nginx resolves when it starts.
            case name(String, port: Int)
            case unix(String)

            var description: String {
                switch self {
                case .address(let host, let port), .name(let host, let port): "\(Printable.text(host)):\(port)"
                case .unix(let path): "unix:\(Printable.text(path))"
                }
            }
        }
        var place: Place
    }

    /// How accepted connections are probed.
    enum Keepalive: Equatable {
        case off, on
        /// Seconds, seconds and a number; nil: the system's.
        case tuned(idle: Int?, interval: Int?, probes: Int?)
    }

    var sockets: [Socket]
    var isTLS = false
    var hasProxyProtocol = false
    var backlog: Int?
    var receiveBuffer: Int?
    var sendBuffer: Int?
    /// Of an IPv6 socket; nginx's default is on.
    var isV6Only: Bool?
    var keepalive: Keepalive?
    /// Parameters that have no place in relay.yaml.
    var leftOut: [String] = []
    /// The directive itself.
    var directive: NginxDirective

    /// Sockets of one `listen` that are taken: a range of ports is written as one word.
    static let mostSockets = 64
}

extension MailListen {
    /// Whether what connects at the other is treated alike: then one name can stand for both.
    func serves(as other: MailListen) -> Bool {
        self.isTLS == other.isTLS && self.hasProxyProtocol == other.hasProxyProtocol
            && self.receiveBuffer == other.receiveBuffer && self.sendBuffer == other.sendBuffer
            && self.keepalive == other.keepalive
    }

    init(_ directive: NginxDirective) throws(NginxConfigurationError) {
        self.directive = directive
        self.sockets = []
        let text = directive.text(0)
        let url: NginxURL
        do {
            url = try NginxURL(text, isListener: true)
        } catch {
            throw directive.error("\(error.message) in \"\(Printable.text(text))\" of the \"listen\" directive")
        }
        if case .unix(let path) = url.host {
            self.sockets = [Socket(place: .unix(path))]
        } else {
            guard let ports = url.ports else {
                throw directive.error("no port in \"\(Printable.text(text))\" of the \"listen\" directive")
            }
            guard ports.count <= Self.mostSockets else {
                throw directive.error("\"\(Printable.text(text))\" is more than \(Self.mostSockets) ports")
            }
            for port in ports { self.sockets.append(Socket(place: Self.place(url.host, port))) }
        }
        for word in directive.arguments.dropFirst() { try self.take(word.text) }
    }

    private static func place(_ host: NginxURL.Host, _ port: Int) -> Socket.Place {
        switch host {
        case .wildcard: .address("0.0.0.0", port: port)
        case .ipv4(let address): .address(address, port: port)
        case .ipv6(let address): .address("[\(address)]", port: port)
        case .name(let name):
            name.lowercased() == "localhost" ? .address("127.0.0.1", port: port) : .name(name, port: port)
        case .unix(let path): .unix(path)
        }
    }

    private mutating func take(_ parameter: String) throws(NginxConfigurationError) {
        func value(_ key: String) -> String? { parameter.hasPrefix(key) ? String(parameter.dropFirst(key.count)) : nil }
        if parameter == "bind" {
            return  // every listener has a socket of its own here
        } else if parameter == "ssl" {
            self.isTLS = true
        } else if parameter == "proxy_protocol" {
            self.hasProxyProtocol = true
        } else if parameter == "multipath" || parameter == "reuseport" || parameter == "deferred" {
            // (Of these nginx's mail has only multipath; the others are http's, and stand in many a file.)
            guard parameter == "multipath" else { throw self.invalid(parameter) }
            self.leftOut.append(parameter)
        } else if let text = value("backlog=") {
            guard let backlog = NginxValue.number(text), backlog > 0 else {
                throw self.directive.error("invalid backlog \"\(Printable.text(parameter))\"")
            }
            self.backlog = backlog
        } else if let text = value("rcvbuf=") {
            guard let size = NginxValue.size(text) else {
                throw self.directive.error("invalid rcvbuf \"\(Printable.text(parameter))\"")
            }
            self.receiveBuffer = size > 0 ? size : nil
        } else if let text = value("sndbuf=") {
            guard let size = NginxValue.size(text) else {
                throw self.directive.error("invalid sndbuf \"\(Printable.text(parameter))\"")
            }
            self.sendBuffer = size > 0 ? size : nil
        } else if let text = value("ipv6only=") {
            switch text {
            case "on": self.isV6Only = true
            case "off": self.isV6Only = false
            default: throw self.invalid(parameter)
            }
        } else if let text = value("so_keepalive=") {
            self.keepalive = try self.keepalive(text)
        } else {
            throw self.invalid(parameter)
        }
    }

    private func invalid(_ parameter: String) -> NginxConfigurationError {
        self.directive.error("the invalid \"\(Printable.text(parameter))\" parameter")
    }

    private func keepalive(_ text: String) throws(NginxConfigurationError) -> Keepalive {
        if text == "on" { return .on }
        if text == "off" { return .off }
        let failure = self.directive.error("invalid so_keepalive value: \"\(Printable.text(text))\"")
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 3 else { throw failure }
        var numbers: [Int?] = []
        for (index, part) in parts.enumerated() {
            if part.isEmpty {
                numbers.append(nil)
            } else if index < 2, let time = NginxValue.milliseconds(String(part)), time >= 1000 {
                numbers.append(time / 1000)
            } else if index == 2, let count = NginxValue.number(part), count > 0 {
                numbers.append(count)
            } else {
                throw failure
            }
        }
        numbers += [Int?](repeating: nil, count: 3 - numbers.count)
        guard numbers.contains(where: { $0 != nil }) else { throw failure }
        return .tuned(idle: numbers[0], interval: numbers[1], probes: numbers[2])
    }
}
