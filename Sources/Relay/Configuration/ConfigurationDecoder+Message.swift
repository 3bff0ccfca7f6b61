import Routing
import SMTPCore

extension ConfigurationDecoder {
    /// What holds where `general` does and a `message` says more: the more specific one wins key by key.
    mutating func message(
        _ node: YAMLNode?, _ path: String, over general: DeliveryPolicy, into draft: inout ConfigurationDraft
    ) -> DeliveryPolicy {
        let keys = Keys(
            "bare-line-ends", "nul", "longest-line", "received-limit", "received", "eight-bit", "size", "replies")
        guard let node, let fields = self.fields(node, path, keys) else { return general }
        var policy = general
        if let value: MessagePolicy.BareLineEnds = self.choice(fields["bare-line-ends"], path + ".bare-line-ends") {
            policy.message.bareLineEnds = value
        }
        if let value: MessagePolicy.NUL = self.choice(fields["nul"], path + ".nul") { policy.message.nul = value }
        // RFC 5321 section 4.5.3.1.6: a text line has 1000 octets at most, its CRLF included.
        if let node = fields["longest-line"], let value = self.size(node, path + ".longest-line", 1000...(1 << 30)) {
            policy.message.longestLine = value
        }
        // RFC 5321 section 6.3 would have 100 at least; a network that is small and closed may know better.
        if let node = fields["received-limit"],
            let value = self.integer(node, path + ".received-limit", 10...10_000, zeroIsNone: true)
        {
            policy.message.receivedFields = value
        }
        if let isOn = self.either(fields["received"], path + ".received", "on", or: "off") {
            policy.addsReceived = isOn
        }
        if let refuses = self.either(fields["eight-bit"], path + ".eight-bit", "refuse", or: "pass") {
            policy.refusesEightBit = refuses
        }
        if let node = fields["size"], let value = self.size(node, path + ".size", Self.messageSizes) {
            policy.size = value == 0 ? nil : UInt64(value)
            draft.sizes.append(.init(value: value, mark: node.mark, path: path + ".size"))
        }
        if let masks = self.either(fields["replies"], path + ".replies", "mask", or: "pass") {
            policy.masksReplies = masks
        }
        return policy
    }

    /// A value that is written as one of its type's words; nil where nothing, or nothing usable, is written.
    mutating func choice<Value: CaseIterable & RawRepresentable<String>>(
        _ node: YAMLNode?, _ path: String
    ) -> Value? {
        guard let node, let word = self.word(node, path, Value.allCases.map(\.rawValue)) else { return nil }
        return Value(rawValue: word)
    }

    /// True for `word`, false for `other`; nil where nothing, or nothing usable, is written.
    mutating func either(_ node: YAMLNode?, _ path: String, _ word: String, or other: String) -> Bool? {
        guard let node else { return nil }
        return self.word(node, path, [word, other]).map { $0 == word }
    }
}
