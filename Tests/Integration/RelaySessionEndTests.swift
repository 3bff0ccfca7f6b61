import Testing

/// Sessions in great number, whatever ends them.
@Suite("The end of a session", .works, .enabled(if: MailTrial.isHere, MailTrial.reason))
struct RelaySessionEndTests {
    @Test("However sessions end, thousands of them leave nothing in the relay's memory")
    func memory() async throws {
        try await MailTrial.run("endings.py", "endings")
    }
}
