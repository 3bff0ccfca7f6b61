import Foundation
import Testing

/// Runs one trial of Tests/Integration/Mail: a Python program that starts real mail programs, and relays between them, in
/// a network, a mount and a PID namespace of its own, with the peers' programs laid over /usr.
enum MailTrial {
    /// The relay and the peers are here; `scripts/test` run by root makes both.
    static var isHere: Bool {
        RelayWorld.isHere && FileManager.default.isExecutableFile(atPath: RelayWorld.peers + "/root/usr/sbin/exim4")
    }

    /// Why a suite that needs them is left out.
    static let reason: Comment = "needs a world and peers: scripts/test as root"

    /// Runs a trial to its end; what it printed is shown, and its failure is the test's.
    static func run(_ file: String, _ arguments: String..., within patience: Duration = .seconds(580)) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Mail")
        // (The shell stays, as process 1 of the namespace: its end is everybody's.)
        let command =
            [
                "unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
                "--propagation", "private", "--", "sh", "-c", "ip link set lo up; \"$@\"; exit $?", "sh",
                "/usr/bin/python3", "-B", folder.appending(path: file).path,
            ] + arguments
        let program = try RunningProgram(command)
        let status = try program.exitStatus(within: patience)
        let text = program.text
        #expect(status == 0 && text.hasSuffix("held"), "\(file) \(arguments):\n\(text)")
        print("    " + text.dropLast("held".count).split(separator: "\n").joined(separator: "\n    "))
    }
}
