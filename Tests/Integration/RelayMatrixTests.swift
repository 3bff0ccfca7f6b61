import Testing

/// Mail programs as people run them, on both sides of the relay.
@Suite("Real mail programs", .works, .enabled(if: MailTrial.isHere, MailTrial.reason))
struct RelayMatrixTests {
    @Test("what Postfix, Exim, OpenSMTPD and five more send arrives at each of five backends, octet for octet")
    func matrix() async throws { try await MailTrial.run("matrix.py", "matrix") }

    @Test("smtp-source with each of its options is served as without the relay")
    func options() async throws { try await MailTrial.run("source.py", "source") }
}
