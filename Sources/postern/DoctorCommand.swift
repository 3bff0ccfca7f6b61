import ArgumentParser
import FoundationEssentials
import Inspection

/// `postern doctor`: why a port is not to be had here.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say why a port is not to be had here, and what to do about it.",
        discussion: """
            Looks at the policy, the binder, this process, the ports, the broker and the kernel, and changes nothing. A \
            line a finding: ok, note or problem, WHAT: finding; what to do. Start it as the program that wants the port \
            is started: as its user, in its unit or container.

            Exit status: 0 no problem; 64 usage; 69 something is not there or taken; 77 not permitted; 78 the policy or \
            an owner or mode is wrong; of several problems the highest.
            """)

    @Argument(help: "Names of /etc/postern/sockets.conf; without any, all that the user may have.")
    var name: [String] = []

    @Flag(help: "Print the findings as a JSON array.")
    var json = false

    @Option(help: ArgumentHelp("Ask about another user than the one who asks.", valueName: "user"))
    var user: String?

    @OptionGroup var broker: BrokerOptions

    func run() throws {
        let environment = ProcessInfo.processInfo.environment
        let report: Report
        do throws(Doctor.Refusal) {
            report = try Doctor.examine(
                .init(
                    names: self.name, user: self.user,
                    binder: environment["POSTERN_BINDER"] ?? "/usr/bin/postern-binder", broker: self.broker.path))
        } catch {
            throw Failure.saying("postern doctor: \(error.text)", Failure.usage)
        }
        if self.json { try Output.json(report.findings) } else { Output.text(report.text) }
        if report.status != 0 { throw ExitCode(Int32(report.status)) }
    }
}
