import NIOCore
import Routing

extension ConfigurationDecoder {
    /// A buffer's size; the kernel has bounds of its own (net.core.rmem_max, wmem_max).
    private static let bufferSizes = 1024...(1 << 30)
    /// What tcp(7) takes for the times of keep-alive.
    private static let keepaliveTimes: ClosedRange<TimeAmount> = .seconds(1)...(.seconds(32767))

    /// What a listener's place and its sockets have to be, behind where it is.
    mutating func sockets(_ fields: Fields, _ path: String, into listener: inout RelayConfiguration.Listener) {
        self.checkPlace(fields, path, listener.place)
        var sockets = listener.sockets
        if let node = fields["backlog"] { sockets.backlog = self.integer(node, path + ".backlog", 1...65535) }
        if let node = fields["receive-buffer"] {
            sockets.receiveBuffer = self.size(node, path + ".receive-buffer", Self.bufferSizes).flatMap {
                $0 == 0 ? nil : $0
            }
        }
        if let node = fields["send-buffer"] {
            sockets.sendBuffer = self.size(node, path + ".send-buffer", Self.bufferSizes).flatMap { $0 == 0 ? nil : $0 }
        }
        sockets.isVersion6Only = self.either(fields["v6only"], path + ".v6only", "on", or: "off")
        if let node = fields["keepalive"] { sockets.keepalive = self.keepalive(node, path + ".keepalive") }
        if let node = fields["reuseport"], let value = self.reusePort(node, path + ".reuseport") {
            sockets.reusePort = value
        }
        if let node = fields["mode"], let mode = self.mode(node, path + ".mode") { sockets.mode = mode }
        listener.sockets = sockets
    }

    /// Some of it can be asked of one kind of listener only.
    private mutating func checkPlace(_ fields: Fields, _ path: String, _ place: RelayConfiguration.Listener.Place) {
        let wrong: [String: String]
        switch place {
        case .socket:
            let reason = "whoever binds the socket sets it: write it in sockets.conf, or in the socket unit"
            wrong = ["backlog": reason, "v6only": reason, "mode": reason, "reuseport": reason]
        case .address(let address, _):
            let isVersion6 = if case .v6 = address { true } else { false }
            wrong =
                ["mode": "it is for Unix sockets"].merging(
                    isVersion6 ? [:] : ["v6only": "it is for IPv6 addresses"]
                ) { $1 }
        case .unix:
            wrong = [
                "v6only": "it is for IPv6 addresses", "keepalive": "a Unix socket has no network to be lost in",
                "reuseport": "a Unix socket has no port to share",
            ]
        }
        for key in ["backlog", "v6only", "keepalive", "mode", "reuseport"] {
            if let node = fields[key], let reason = wrong[key] { self.error(node.mark, "\(path).\(key)", reason) }
        }
    }

    private mutating func keepalive(_ node: YAMLNode, _ path: String) -> RelayConfiguration.Listener.Keepalive? {
        if case .scalar = node.content {
            return self.either(node, path, "on", or: "off") == true ? .init() : nil
        }
        guard let fields = self.fields(node, path, Keys("idle", "interval", "probes")) else { return nil }
        var keepalive = RelayConfiguration.Listener.Keepalive()
        keepalive.idle = fields["idle"].flatMap { self.seconds($0, path + ".idle") }
        keepalive.interval = fields["interval"].flatMap { self.seconds($0, path + ".interval") }
        keepalive.probes = fields["probes"].flatMap { self.integer($0, path + ".probes", 1...127) }
        return keepalive
    }

    private mutating func seconds(_ node: YAMLNode, _ path: String) -> Int? {
        self.duration(node, path, Self.keepaliveTimes).map { Int($0.nanoseconds / 1_000_000_000) }
    }

    /// A number, or one for each event loop.
    private mutating func reusePort(
        _ node: YAMLNode, _ path: String
    ) -> RelayConfiguration.Listener.ReusePort? {
        guard let text = self.text(node, path, "a whole number, or auto") else { return nil }
        if text == "auto" { return .automatic }
        guard Self.digits(text) != nil else {
            self.error(node.mark, path, "\"\(text)\" is neither a whole number nor \"auto\"")
            return nil
        }
        return self.integer(node, path, 1...RelayConfiguration.Listener.ReusePort.most).map { .sockets($0) }
    }

    /// Permissions as chmod(1) has them: three octal digits, with or without a zero in front.
    private mutating func mode(_ node: YAMLNode, _ path: String) -> UInt16? {
        guard let text = self.text(node, path, "permissions such as \"0660\"") else { return nil }
        guard (3...4).contains(text.utf8.count), let mode = UInt16(text, radix: 8), mode <= 0o777 else {
            self.error(node.mark, path, "\"\(text)\" is not a mode: write three octal digits, such as \"0660\"")
            return nil
        }
        return mode
    }
}
