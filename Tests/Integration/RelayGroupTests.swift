import Testing

/// Groups of backends that die, are full, are drained and come back, with real processes under load.
@Suite("Backend groups", .enabled(if: MailTrial.isHere, MailTrial.reason))
struct RelayGroupTests {
    @Test("over three backends each method keeps to its shares; nothing is lost or doubled")
    func balance() throws { try MailTrial.run("groups.py", "balance", RelayWorld.isQuick ? "3000" : "30000") }

    @Test(
        "under load",
        arguments: [
            "killed", "full", "impatient", "backup", "drained", "reloaded", "nobody",
        ])
    func load(_ trial: String) throws { try MailTrial.run("groups.py", trial) }
}
