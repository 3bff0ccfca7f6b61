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

    /// Those that keep the machine busy by themselves, one at a time; and the others.
    private static let loads = Turns()
    private static let others = Turns()

    /// Runs a trial to its end; what it printed is shown, and its failure is the test's.
    ///
    /// None keeps a thread of the tests waiting.
    static func run(_ file: String, _ arguments: String..., within patience: Duration = .seconds(580)) async throws {
        let turns = ["groups.py", "chaos.py"].contains(file) ? self.loads : self.others
        await turns.take()
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Mail")
        let outcome: (status: Int32, text: String)
        do {
            outcome = try await self.outcome([folder.appending(path: file).path] + arguments, within: patience)
        } catch {
            await turns.give()
            throw error
        }
        await turns.give()
        let text = outcome.text
        #expect(outcome.status == 0 && text.hasSuffix("held"), "\(file) \(arguments):\n\(text)")
        print("    " + text.dropLast("held".count).split(separator: "\n").joined(separator: "\n    "))
    }

    /// Runs a Python program with namespaces of its own to its end: its exit status, and what it printed.
    static func outcome(_ program: [String], within patience: Duration) async throws -> (status: Int32, text: String) {
        // (The shell stays, as process 1 of the namespace: its end is everybody's.)
        let command =
            [
                "unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
                "--propagation", "private", "--", "sh", "-c", "ip link set lo up; \"$@\"; exit $?", "sh",
                "/usr/bin/python3", "-B",
            ] + program
        return try await waiting {
            let program = try RunningProgram(command)
            let status = try program.exitStatus(within: patience)
            return (status, program.text)
        }
    }
}

/// Something that one has at a time, in the order of asking.
private actor Turns {
    private var isTaken = false
    private var line: [CheckedContinuation<Void, Never>] = []

    func take() async {
        guard self.isTaken else {
            self.isTaken = true
            return
        }
        await withCheckedContinuation { self.line.append($0) }
    }

    /// The next one's, if any waits.
    func give() {
        if self.line.isEmpty { self.isTaken = false } else { self.line.removeFirst().resume() }
    }
}
