import Foundation
import Testing

/// postern-exec in the world that scripts/in-world makes, with Attacks/exec.py around it.
enum ExecWorld {
    /// The folder of the programs.
    static let folder = ProcessInfo.processInfo.environment["POSTERN_BIN"] ?? "/nonexistent"
    static let program = folder + "/postern-exec"
    static let isHere = World.isHere && FileManager.default.fileExists(atPath: program)
    static let hasBroker = isHere && FileManager.default.fileExists(atPath: folder + "/postern-broker")
    static let policy = """
        smtp tcp *:25         bind=postern
        http tcp 127.0.0.1:80 bind=postern
        http tcp [::1]:80     bind=postern
        app  tcp 127.0.0.1:81 bind=postern-app

        """

    /// What a function of Attacks/exec.py printed, run as a user of the world.
    static func attack(_ arguments: String..., user: String = "postern") throws -> String {
        try self.attack(arguments, user: user)
    }

    static func attack(_ arguments: [String], user: String = "postern") throws -> String {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Attacks/exec.py")
        let script = try RelayWorld.file("exec.py", String(contentsOf: source, encoding: .utf8))
        // (env execs once more: what setpriv execs has the permitted capabilities of root still.)
        let network = try TestNetwork(policy: self.policy)
        let program = try network.start(
            ["env", "PATH=/usr/bin:/bin", "/usr/bin/python3", "-I", script] + arguments, as: user)
        let status = try withExtendedLifetime(network) { try program.exitStatus() }
        try #require(status == 0, "\(program.text)")
        return program.text
    }
}
