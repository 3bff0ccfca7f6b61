import Foundation

/// A network of one test's own, inside the world: loopback only, every port free, an /etc/postern and a /run/postern of
/// its own.
///
/// So tests run side by side, each with its port 25. It goes when the last reference does.
final class TestNetwork: Sendable {
    private let holder: RunningProgram

    /// - Parameter policy: what /etc/postern/sockets.conf says in here.
    init(policy: String = "") throws {
        let program = """
            ip link set lo up && mount -t tmpfs -o mode=755 tmpfs /etc/postern \
            && mount -t tmpfs -o mode=755,uid=62528,gid=62528 tmpfs /run/postern \
            && printf %s "$1" >/etc/postern/sockets.conf && echo made && exec sleep infinity
            """
        holder = try RunningProgram([
            "unshare", "--mount", "--net", "--propagation", "private", "--", "sh", "-c", program, "sh", policy,
        ])
        _ = try holder.line { $0 == "made" }
    }

    /// Starts a program in here, as root or as a user of the world.
    func start(
        _ command: [String], as user: String? = nil, environment: [String: String] = [:], input: Bool = false
    ) throws -> RunningProgram {
        var prefix = ["nsenter", "--target", "\(holder.pid)", "--mount", "--net", "--"]
        if let user { prefix += ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"] }
        return try RunningProgram(prefix + command, environment: environment, input: input)
    }

    /// Runs a program in here to its end: its exit status and all that it printed.
    func run(_ command: [String], within patience: Duration = .seconds(60)) throws -> (status: Int32, text: String) {
        let program = try start(command)
        return (try program.exitStatus(within: patience), program.text)
    }

    func connect(_ port: UInt16, receiveBuffer: Int32? = nil) throws -> Socket {
        try inNetwork(of: holder.pid) { try Socket.connect(port: port, receiveBuffer: receiveBuffer) }
    }

    func listen(_ port: UInt16, host: UInt8 = 1, receiveBuffer: Int32? = nil) throws -> Socket {
        try inNetwork(of: holder.pid) { try Socket.listen(port: port, host: host, receiveBuffer: receiveBuffer) }
    }

    /// Returns as soon as the port takes connections; fails when `program` ends first or it takes too long.
    func waitForPort(_ port: UInt16, of program: RunningProgram, within patience: Duration = .seconds(30)) throws {
        let deadline = ContinuousClock.now + patience
        while true {
            if (try? connect(port)) != nil { return }
            guard program.isRunning else {
                throw HarnessError("\(program.name) ended before it listened on \(port); it printed:\n\(program.text)")
            }
            guard ContinuousClock.now < deadline else {
                throw HarnessError("\(program.name) does not listen on \(port); it printed:\n\(program.text)")
            }
            Thread.sleep(forTimeInterval: 0.01)
        }
    }
}

/// What scripts/in-world and scripts/peers give to tests, and whether they are here.
enum RelayWorld {
    private static func variable(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

    /// A scratch folder that every user of the world may read.
    static var folder: String { variable("POSTERN_WORLD") ?? "/nonexistent" }
    /// The folder of the built programs.
    static var programs: String { variable("POSTERN_BIN") ?? "/nonexistent" }
    static var postern: String { programs + "/postern" }
    /// The folder that scripts/peers made.
    static var peers: String { variable("POSTERN_PEERS") ?? "/nonexistent" }
    static var mailModule: String { peers + "/root/usr/lib/nginx/modules/ngx_mail_module.so" }

    /// The world and the real peers are here; `scripts/test` run by root makes both.
    static var isHere: Bool {
        FileManager.default.fileExists(atPath: folder) && FileManager.default.fileExists(atPath: mailModule)
    }

    /// scripts/test was asked to be quick.
    static var isQuick: Bool { variable("POSTERN_QUICK") != nil }

    /// A new folder in the world; with `owner`, a user of the world's own.
    static func newFolder(owner: UInt32? = nil) throws -> String {
        let path = folder + "/" + UUID().uuidString.prefix(13)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        var attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o755]
        if let owner { attributes[.ownerAccountID] = owner }
        try FileManager.default.setAttributes(attributes, ofItemAtPath: path)
        return path
    }

    /// Writes a file that every user of the world may read.
    static func file(_ name: String, _ text: String) throws -> String {
        let path = try newFolder() + "/" + name
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        return path
    }
}
