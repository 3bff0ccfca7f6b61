import Testing

/// Postfix as a backend that reads XCLIENT, XFORWARD and PROXY headers, and HAProxy in front of the relay.
@Suite("Identity with real programs", .works, .enabled(if: MailTrial.isHere, MailTrial.reason))
struct RelayPostfixIdentityTests {
    @Test("Postfix logs the real client's address, whichever way it is told; HAProxy's clients are known, too")
    func postfix() async throws { try await MailTrial.run("identity.py", "postfix") }

    @Test("A Unix socket is listened on, with its mode; a stale one is replaced, and one in use is not")
    func unix() async throws { try await MailTrial.run("identity.py", "unix") }
}
