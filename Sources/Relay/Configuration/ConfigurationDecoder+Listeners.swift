import NIOCore
import Routing
import SMTPCore

extension ConfigurationDecoder {
    /// The EHLO keywords that a listener may be told to announce; STARTTLS and AUTH follow from other settings.
    private static let announceable = ServerExtensions.keywords.filter {
        ServerExtensions.ofRelay.union(.ofBackends).isSuperset(of: $0.extension)
    }

    mutating func listeners(
        _ node: YAMLNode, into draft: inout ConfigurationDraft
    ) -> [ConfigurationDraft.Placed<RelayConfiguration.Listener>] {
        guard let elements = self.elements(node, "listeners") else { return [] }
        if elements.isEmpty { self.error(node.mark, "listeners", "there has to be one at least") }
        return elements.enumerated().compactMap { index, element in
            let path = "listeners[\(index)]"
            let keys = Keys(
                "socket", "address", "tls", "certificates", "client-certificates", "ehlo", "pipelining", "hello",
                "greeting", "auth", "users", "lookup", "name", "greeting-delay", "proxy-protocol", "backlog",
                "receive-buffer", "send-buffer", "v6only", "keepalive", "mode", "reuseport")
            guard let fields = self.fields(element, path, keys) else { return nil }
            var listener = RelayConfiguration.Listener(.socket(name: ""))
            self.settings(fields, path, into: &listener)
            self.authentication(fields, path, into: &listener)
            self.security(fields, path, into: &listener, &draft)
            let mark: YAMLMark
            switch (fields["socket"], fields["address"]) {
            case (nil, nil):
                self.error(element.mark, path, "it needs a socket or an address")
                return nil
            case (_?, let address?):
                self.error(address.mark, path, "it has a socket and an address: one listener is one of them")
                return nil
            case (let socket?, nil):
                guard let name = self.socketName(socket, path + ".socket") else { return nil }
                listener.place = .socket(name: name)
                mark = socket.mark
            case (nil, let address?):
                guard let place = self.listenerAddress(address, path + ".address") else { return nil }
                listener.place = place
                mark = address.mark
            }
            self.warnOfClearText(listener, mark, path)
            self.sockets(fields, path, into: &listener)
            return .init(value: listener, mark: mark, path: path)
        }
    }

    private mutating func settings(
        _ fields: Fields, _ path: String, into listener: inout RelayConfiguration.Listener
    ) {
        if let node = fields["ehlo"] { listener.ehlo = self.extensions(node, path + ".ehlo") }
        if let isStrict = self.either(fields["pipelining"], path + ".pipelining", "strict", or: "tolerant") {
            listener.isPipeliningStrict = isStrict
        }
        if let isRequired = self.either(fields["hello"], path + ".hello", "required", or: "optional") {
            listener.requiresHello = isRequired
        }
        if let node = fields["greeting"], let lines = self.greeting(node, path + ".greeting") {
            listener.greeting = lines
        }
        listener.name = fields["name"].flatMap { self.hostName($0, path + ".name") }
        // A client waits five minutes for its greeting (RFC 5321 section 4.5.3.2.1).
        if let node = fields["greeting-delay"],
            let delay = self.duration(node, path + ".greeting-delay", .zero...(.minutes(2)))
        {
            listener.greetingDelay = delay
        }
        if let isOn = self.either(fields["proxy-protocol"], path + ".proxy-protocol", "on", or: "off") {
            listener.expectsProxyHeader = isOn
        }
    }

    private mutating func extensions(_ node: YAMLNode, _ path: String) -> ServerExtensions? {
        guard let elements = self.elements(node, path) else { return nil }
        var extensions: ServerExtensions = []
        for (index, element) in elements.enumerated() {
            let path = "\(path)[\(index)]"
            guard let word = self.word(element, path, Self.announceable.map(\.keyword)),
                let one = Self.announceable.first(where: { $0.keyword == word })?.extension
            else { continue }
            if extensions.contains(one) { self.error(element.mark, path, "\(word) is here a second time") }
            extensions.insert(one)
        }
        if extensions.contains(.smtpUTF8), !extensions.contains(.eightBitMIME) {
            self.error(node.mark, path, "SMTPUTF8 is announced with 8BITMIME only (RFC 6531 section 3.1)")
        }
        return extensions
    }

    private mutating func greeting(_ node: YAMLNode, _ path: String) -> [String]? {
        guard let elements = self.elements(node, path) else { return nil }
        let bounds = 1...RelayConfiguration.Listener.longestGreeting
        guard bounds.contains(elements.count) else {
            self.error(
                node.mark, path, "it has \(elements.count) lines, not \(bounds.lowerBound) to \(bounds.upperBound)")
            return nil
        }
        return elements.enumerated().compactMap { index, element in
            let path = "\(path)[\(index)]"
            guard let line = self.text(element, path) else { return nil }
            // RFC 5321 section 4.2: a reply's text is printable ASCII.
            guard line.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
                self.error(element.mark, path, "it has a character in it that is not printable ASCII")
                return nil
            }
            guard line.utf8.count <= RelayConfiguration.Listener.longestGreetingText else {
                let bound = RelayConfiguration.Listener.longestGreetingText
                self.error(element.mark, path, "it has more than \(bound) octets")
                return nil
            }
            return line
        }
    }

    private mutating func socketName(_ node: YAMLNode, _ path: String) -> String? {
        guard let name = self.text(node, path, "the name of a socket") else { return nil }
        guard Self.isName(name) else {
            self.error(node.mark, path, "\"\(name)\" is not a name: 1 to 63 letters, digits, \".\", \"_\" or \"-\"")
            return nil
        }
        return name
    }

    private mutating func listenerAddress(_ node: YAMLNode, _ path: String) -> RelayConfiguration.Listener.Place? {
        guard let text = self.text(node, path, "an address and a port, or unix:PATH") else { return nil }
        do {
            switch try BackendAddress(parsing: text) {
            case .ip(let address, let port):
                guard port >= RelayConfiguration.Listener.Place.lowestPort else {
                    self.error(
                        node.mark, path,
                        "port \(port) is below 1024, which takes a privilege: name a socket instead (socket: smtp)")
                    return nil
                }
                return .address(address, port: port)
            case .host(let name, let port):
                self.error(node.mark, path, "\"\(name)\" is not an IP address: write 127.0.0.1:\(port) or [::]:\(port)")
            case .service:
                self.error(node.mark, path, "\"\(text)\" is a service of others: write 127.0.0.1:2526 or [::]:2526")
            case .unix(let path):
                return .unix(path: path)
            }
        } catch {
            self.error(node.mark, path, error.message)
        }
        return nil
    }

}
