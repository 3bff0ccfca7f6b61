import Foundation

/// `postern relay` as a test starts it: as the user postern, in a network of the test's own.
final class RelayUnderTest: Sendable {
    let program: RunningProgram
    let network: TestNetwork
    let port: UInt16
    /// Where postern-admin may ask it.
    let adminSocket: String
    /// Its relay.yaml.
    private let configuration: String
    /// The descriptors that it had open when it said that it was ready, before anybody came.
    let descriptorsWhenReady: Int

    /// What relay.yaml needs of limits and timeouts so that a test of a silent peer is over in seconds.
    static let hasty = "{connect: 3s, recipient: 4s, data: 4s, final-dot: 4s}"

    /// The limit of relay.yaml that lets a message of any size pass.
    static let anySize = "message-size: 0"

    /// - Parameters:
    ///   - port: 25 takes its listener from the binder, as "smtp"; every other is bound by the relay.
    ///   - listener: what else relay.yaml says of the listener: `key: value, …`.
    ///   - settings: the rest of relay.yaml: routes, lookup, limits, timeouts.
    ///   - loops: its event loops; nil: as many as it has by itself.
    init(
        in network: TestNetwork, port: UInt16 = 2526, listener: String = "", _ settings: String, loops: Int? = nil
    ) throws {
        self.network = network
        self.port = port
        let folder = try RelayWorld.newFolder(owner: 62525)
        let configuration = try RelayWorld.file(
            "relay.yaml",
            """
            server:
              name: mail.flxw.de
            listeners:
              - {\(port == 25 ? "socket: smtp" : "address: \"127.0.0.1:\(port)\"")\(listener.isEmpty ? "" : ", \(listener)")}
            \(settings)
            admin:
              socket: \(folder)/admin.sock
              allow: [postern-admin]
            """)
        adminSocket = "\(folder)/admin.sock"
        self.configuration = configuration
        program = try network.start(
            [RelayWorld.postern, "relay", "--config", configuration], as: "postern",
            environment: loops.map { ["POSTERN_EVENT_LOOPS": "\($0)"] } ?? [:])
        _ = try program.line { $0.contains("ready") }
        descriptorsWhenReady = RelayUnderTest.descriptors(of: program)
        try network.waitForPort(port, of: program)
    }

    /// A relay whose routes send flxw.de to 127.0.0.1:2525.
    static func routed(in network: TestNetwork, port: UInt16 = 2526, _ more: String = "") throws -> RelayUnderTest {
        try RelayUnderTest(
            in: network, port: port,
            """
            routes:
              - recipients: [flxw.de]
                backends: ["127.0.0.1:2525"]
            \(more)
            """)
    }

    /// A relay that asks 127.0.0.1:80 about every recipient.
    static func asking(in network: TestNetwork, port: UInt16 = 2526, timeout: String = "5s", _ more: String = "") throws
        -> RelayUnderTest
    {
        try RelayUnderTest(
            in: network, port: port,
            """
            lookup:
              url: http://127.0.0.1/mail/auth
              timeout: \(timeout)
            \(more)
            """)
    }

    deinit { program.kill(SIGTERM) }

    /// Writes relay.yaml anew; SIGHUP makes the relay read it.
    func rewrite(_ change: (String) -> String) throws {
        let text = try String(contentsOfFile: self.configuration, encoding: .utf8)
        try Data(change(text).utf8).write(to: URL(fileURLWithPath: self.configuration))
    }

    /// Opens a session and says EHLO.
    func greeted() throws -> SMTPDialogue { try SMTPDialogue.greeted(network, port: port) }

    /// The descriptors that it has open.
    var descriptors: Int { RelayUnderTest.descriptors(of: program) }

    /// (Without timers: the runtime makes one where the program first sleeps, and keeps it.)
    private static func descriptors(of program: RunningProgram) -> Int {
        let folder = "/proc/\(program.pid)/fd"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return -1 }
        return names.count { name in
            let kind = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")
            return kind != nil && kind != "anon_inode:[timerfd]"
        }
    }

    /// What each open descriptor is, for the message of a test that found too many.
    var descriptorKinds: String {
        let folder = "/proc/\(program.pid)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.sorted().map { name in
            "\(name)=" + ((try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")) ?? "gone")
        }.joined(separator: " ")
    }

    /// What /proc says of it: the values of each line, as they stand.
    func status() throws -> [String: [String]] {
        let text = try String(contentsOfFile: "/proc/\(program.pid)/status", encoding: .utf8)
        let lines = text.split(separator: "\n").compactMap { line -> (String, [String])? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let values = line[line.index(after: colon)...].split { $0 == " " || $0 == "\t" }
            return (String(line[..<colon]), values.map(String.init))
        }
        return Dictionary(lines) { first, _ in first }
    }

    /// A number of /proc/PID/status, in kB: "VmRSS", "VmHWM".
    func memory(_ field: String) throws -> Int {
        guard let number = try status()[field]?.first, let kilobytes = Int(number)
        else { throw HarnessError("/proc/\(program.pid)/status has no \(field)") }
        return kilobytes
    }

    /// Lets VmHWM start again from what is in use now.
    func resetPeakMemory() throws {
        try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/\(program.pid)/clear_refs"))
    }

    /// Waits until at most that many descriptors are open; how many are over it, then (0) or at the end of the time.
    ///
    /// Both are read at one moment, or a connection that ends between the two would look like a leak.
    func excess(within patience: Duration = .seconds(20), over idle: () -> Int) -> Int {
        let deadline = ContinuousClock.now + patience
        while true {
            let excess = descriptors - idle()
            if excess <= 0 || !program.isRunning || ContinuousClock.now >= deadline { return max(0, excess) }
            Thread.sleep(forTimeInterval: 0.02)
        }
    }
}
