import Foundation
import Testing

/// Runs one trial of Tests/Integration/Broker: a Python program that starts a broker and its peers, of every uid, in a
/// network, an /etc/postern, a /run/postern and a PID namespace of its own.
enum BrokerTrial {
    /// Whether there is a broker to try.
    static var isHere: Bool { FileManager.default.isExecutableFile(atPath: World.folder + "/bin/postern-broker") }

    /// The trials' files, copied to where every user of the world can read them.
    private static let folder: String = {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Broker")
        let copy = World.folder + "/trials"
        do {
            try FileManager.default.copyItem(atPath: source.path, toPath: copy)
        } catch {
            Issue.record("copy of \(source.path): \(error)")
        }
        return copy
    }()

    /// Runs a trial to its end; what it printed is shown, and its failure is the test's.
    static func run(_ file: String, _ name: String) throws {
        let script = """
            ip link set lo up
            mount -t tmpfs -o mode=755 tmpfs /etc/postern
            mount -t tmpfs -o mode=755,uid=62528,gid=62528 tmpfs /run/postern
            "$@"
            exit $?
            """
        // (The shell stays, as process 1 of the namespace: its end is everybody's.)
        let command =
            [
                "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation",
                "private",
            ]
            + ["sh", "-c", script, "sh", "/usr/bin/python3", "-B", "\(self.folder)/\(file)", name]
        let environment = ["POSTERN_BIN": World.folder + "/bin", "POSTERN_BINDER": World.binder]
        let program = try RunningProgram(command, environment: environment)
        let status = try program.exitStatus(within: .seconds(120))
        let text = program.text
        #expect(status == 0 && text.hasSuffix("held"), "\(file) \(name):\n\(text)")
        let words = text.dropLast("held".count)
        if status == 0, !words.isEmpty { print("   ", words.split(separator: "\n").joined(separator: "\n    ")) }
    }
}
