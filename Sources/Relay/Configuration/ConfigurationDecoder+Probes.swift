import NIOCore
import Routing
import SMTPCore

// How the backends of a group are probed: keys of its `health`.

extension ConfigurationDecoder {
    /// The keys under `health` that are about probes.
    static let probeKeys = ["interval", "timeout", "probe", "sender", "rise", "fall", "refusal"]

    /// What `health` says of probes; nil where it asks for none.
    mutating func probe(_ fields: Fields, _ path: String) -> ProbePolicy? {
        guard fields["interval"] != nil || fields["probe"] != nil else {
            for key in Self.probeKeys {
                guard let node = fields[key] else { continue }
                self.error(node.mark, path, "\(key) is about probes, and there are none: write an interval")
            }
            return nil
        }
        var policy = ProbePolicy()
        if let node = fields["interval"],
            let value = self.duration(node, path + ".interval", .seconds(1) ... .hours(1))
        {
            policy.interval = .nanoseconds(value.nanoseconds)
        }
        if let node = fields["timeout"],
            let value = self.duration(node, path + ".timeout", .milliseconds(100) ... .minutes(5))
        {
            policy.timeout = .nanoseconds(value.nanoseconds)
        }
        if let node = fields["rise"], let value = self.integer(node, path + ".rise", 1...100) { policy.rise = value }
        if let node = fields["fall"], let value = self.integer(node, path + ".fall", 1...100) { policy.fall = value }
        self.envelope(fields, path, into: &policy)
        return policy
    }

    private mutating func envelope(_ fields: Fields, _ path: String, into policy: inout ProbePolicy) {
        if let node = fields["probe"], let text = self.text(node, path + ".probe", "an address") {
            policy.recipient = ProbePolicy.forwardPath(text)
            if policy.recipient == nil {
                self.error(
                    node.mark, path + ".probe",
                    "\"\(text)\" is not the address of a mailbox: write postmaster@example.org")
            }
        }
        for key in ["sender", "refusal"] {
            guard let node = fields[key], fields["probe"] == nil else { continue }
            self.error(node.mark, path, "\(key) belongs to a probe with a recipient: write probe: ADDRESS")
        }
        if let node = fields["sender"], let text = self.text(node, path + ".sender", "an address, or <>") {
            if let sender = ProbePolicy.reversePath(text) {
                policy.sender = sender
            } else {
                self.error(node.mark, path + ".sender", "\"\(text)\" is neither <> nor the address of a mailbox")
            }
        }
        if let node = fields["refusal"], let word = self.word(node, path + ".refusal", ["ignore", "fail"]) {
            policy.refusalIsFailure = word == "fail"
        }
    }
}

extension ProbePolicy {
    /// What differs from the default, in the words of the configuration.
    var words: String {
        let defaults = ProbePolicy()
        let text = { (duration: Duration) in ConfigurationDecoder.text(.nanoseconds(duration.nanoseconds)) }
        var words = ["probed every \(text(self.interval))"]
        switch self.recipient {
        case .mailbox(let mailbox)?: words.append("probe \(mailbox)")
        case .postmaster?: words.append("probe postmaster")
        case nil: break
        }
        if case .mailbox(let mailbox) = self.sender { words.append("sender \(mailbox)") }
        if self.timeout != defaults.timeout { words.append("timeout \(text(self.timeout))") }
        if self.rise != defaults.rise { words.append("rise \(self.rise)") }
        if self.fall != defaults.fall { words.append("fall \(self.fall)") }
        if self.refusalIsFailure { words.append("refusal fail") }
        return words.joined(separator: " ")
    }
}

extension Duration {
    /// The whole of it, for what counts in nanoseconds.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
