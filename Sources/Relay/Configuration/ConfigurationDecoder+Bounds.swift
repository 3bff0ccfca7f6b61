import NIOCore

extension ConfigurationDecoder {
    /// What a limit on a message's size may be. RFC 5321 section 4.5.3.1.7: a server takes 64K octets at least.
    static let messageSizes = 65_536...(1 << 40)

    /// What may be kept of a message, and of all messages, in case another backend has to have it.
    private static let replayWindows = 1024...(16 << 20)
    private static let replayTotals = 65_536...(1 << 40)

    mutating func limits(_ node: YAMLNode, into limits: inout RelayConfiguration.Limits) {
        let keys = Keys(
            "message-size", "recipients", "connections", "errors", "transactions", "data-rate", "replay-window",
            "replay-total")
        guard let fields = self.fields(node, "limits", keys) else { return }
        if let node = fields["message-size"], let value = self.size(node, "limits.message-size", Self.messageSizes) {
            limits.messageSize = value
        }
        // RFC 5321 section 4.5.3.1.8: 100 recipients at least.
        if let node = fields["recipients"], let value = self.integer(node, "limits.recipients", 100...100_000) {
            limits.recipients = value
        }
        if let node = fields["connections"], let value = self.integer(node, "limits.connections", 1...1_000_000) {
            limits.connections = value
        }
        if let node = fields["errors"], let value = self.integer(node, "limits.errors", 1...1000) {
            limits.errors = value
        }
        if let node = fields["transactions"],
            let value = self.integer(node, "limits.transactions", 1...1_000_000, zeroIsNone: true)
        {
            limits.transactions = value
        }
        if let node = fields["data-rate"],
            let value = self.integer(node, "limits.data-rate", 1...1_000_000, zeroIsNone: true)
        {
            limits.dataRate = value
        }
        if let node = fields["replay-window"],
            let value = self.size(node, "limits.replay-window", Self.replayWindows, zero: "none")
        {
            limits.replayWindow = value
        }
        if let node = fields["replay-total"],
            let value = self.size(node, "limits.replay-total", Self.replayTotals, zero: "none")
        {
            limits.replayTotal = value
        }
    }

    mutating func timeouts(_ node: YAMLNode, into timeouts: inout RelayConfiguration.Timeouts) {
        let keys = Keys(
            "command", "data-block", "proxy-header", "handshake", "connect", "greeting", "backend-command",
            "backend-data-block", "recipient", "data", "final-dot", "drain")
        guard let fields = self.fields(node, "timeouts", keys) else { return }
        // What the client waits for has to end before the client gives up (RFC 5321 section 4.5.3.2): the upper bounds.
        let table: [(String, WritableKeyPath<RelayConfiguration.Timeouts, TimeAmount>, ClosedRange<TimeAmount>)] = [
            ("command", \.command, .seconds(1)...(.hours(1))),
            ("data-block", \.dataBlock, .seconds(1)...(.hours(1))),
            ("proxy-header", \.proxyHeader, .seconds(1)...(.minutes(1))),
            ("handshake", \.handshake, .seconds(1)...(.minutes(10))),
            ("connect", \.connect, .milliseconds(100)...(.minutes(4))),
            ("greeting", \.greeting, .seconds(1)...(.minutes(10))),
            ("backend-command", \.backendCommand, .seconds(1)...(.minutes(10))),
            ("backend-data-block", \.backendDataBlock, .seconds(1)...(.hours(1))),
            ("recipient", \.recipient, .seconds(1)...(.seconds(290))),
            ("data", \.data, .seconds(1)...(.seconds(110))),
            ("final-dot", \.finalDot, .seconds(1)...(.seconds(590))),
            ("drain", \.drain, .seconds(1)...(.hours(1))),
        ]
        for (key, property, range) in table {
            guard let node = fields[key], let value = self.duration(node, "timeouts.\(key)", range) else { continue }
            timeouts[keyPath: property] = value
        }
    }
}
