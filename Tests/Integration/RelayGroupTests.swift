import Testing

/// Groups of backends that die, are full, are drained and come back, with real processes under load.
@Suite("Backend groups", .works, .enabled(if: MailTrial.isHere, MailTrial.reason))
struct RelayGroupTests {
    @Test("over three backends each method keeps to its shares; nothing is lost or doubled")
    func balance() async throws { try await MailTrial.run("groups.py", "balance") }

    @Test("killed, added, drained, taken out under load: nothing is lost or doubled, and nobody sees an error")
    func chaos() async throws { try await MailTrial.run("chaos.py", "100", "changes") }

    @Test(
        "under load",
        arguments: [
            "killed", "full", "impatient", "backup", "drained", "reloaded", "nobody",
        ])
    func load(_ trial: String) async throws { try await MailTrial.run("groups.py", trial) }
}
