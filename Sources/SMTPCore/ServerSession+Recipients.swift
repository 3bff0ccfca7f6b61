// Recipients that a client named without waiting for the replies (RFC 2920): they may be asked about together, and are
// answered one by one, in order.
//
//     C: RCPT TO:<b@example.org>       .resolveRecipient
//     C: RCPT TO:<c@example.org>       join → true
//     C: DATA                          (waits)
//                                      recipientCompleted(250) → .reply, recipientCompleted(550) → .reply

extension ServerSession {
    /// Whether recipients wait for their ``recipientCompleted(_:closing:)``.
    public var isResolvingRecipients: Bool {
        if case .resolvingRecipient = self.state { return true }
        return false
    }

    /// Takes one more recipient behind those that wait for their completion; false where its reply is not the caller's to
    /// find out, or depends on theirs: then it is a command for ``receive(_:hasMoreInput:)``, behind the last of them.
    public mutating func join(_ recipient: RecipientCommand) -> Bool {
        guard case .resolvingRecipient(var recipients, let pending) = self.state else { return false }
        // Were all of them accepted, this one would still have to be within the limit.
        guard recipients.accepted + pending < self.configuration.recipients, self.refusal(of: recipient) == nil else {
            return false
        }
        recipients.offered += 1
        self.state = .resolvingRecipient(recipients, pending: pending + 1)
        return true
    }
}
