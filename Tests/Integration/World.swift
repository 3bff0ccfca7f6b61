import Foundation

/// The world that scripts/in-world makes: root in namespaces of its own, a private /etc, the binder with its capability.
enum World {
    private static let environment = ProcessInfo.processInfo.environment

    /// Whether this process runs in such a world, with a binder in it.
    static var isHere: Bool { self.environment["POSTERN_BINDER"].map(FileManager.default.fileExists) ?? false }
    /// Why a suite that needs the world is left out.
    static var reason: String { "needs root and a world of its own: scripts/test makes one" }
    /// A folder that is root's and readable by all, on a tmpfs.
    static var folder: String { self.environment["POSTERN_WORLD"] ?? "/nonexistent" }
    /// The binder: 0750 root:postern-bind, cap_net_bind_service=p.
    static var binder: String { self.environment["POSTERN_BINDER"] ?? "/nonexistent" }
    /// The policy that the binder reads.
    static var policyPath: String { "/etc/postern/sockets.conf" }

    /// A user of the world.
    enum User: String {
        /// Of the group postern-bind.
        case postern
        /// Of no group of ours.
        case app = "postern-app"
        case nobody
        case root
    }

    /// How a program ended, and what it wrote.
    struct Outcome: Sendable {
        var status: Int32
        var output: String
        var errors: String
    }

    /// Puts a policy in place, as root would: root's, 0644.
    static func write(policy: String) throws {
        try self.write(policy, to: self.policyPath, mode: 0o644)
    }

    /// Writes a file anew, root's.
    static func write(_ text: String, to path: String, mode: Int) throws {
        try? FileManager.default.removeItem(atPath: path)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    /// Runs a program as a user to its end, or for 30 s, with standard input from /dev/null.
    ///
    /// Two programs start it: setpriv to change the user, env to exec once more, since what setpriv execs still has the
    /// permitted set of root, which no unprivileged user's program has.
    static func run(_ arguments: [String], as user: User = .postern, environment: [String: String] = [:]) throws
        -> Outcome
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        let change = ["/usr/bin/setpriv", "--reuid", user.rawValue, "--regid", user.rawValue, "--init-groups", "--"]
        let group =
            user == .nobody
            ? ["/usr/bin/setpriv", "--reuid", "nobody", "--regid", "nogroup", "--init-groups", "--"] : change
        process.arguments = ["-k", "1", "30"] + (user == .root ? [] : group) + ["/usr/bin/env"] + arguments
        process.environment = environment.merging([
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "POSTERN_BINDER": self.binder,
        ]) { a, _ in a }
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        let (output, errors) = (Pipe(), Pipe())
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Both read at once: a program that fills one while the other is waited for would hang.
        let collected = ErrorText()
        let reader = Thread { collected.set(errors.fileHandleForReading.readDataToEndOfFile()) }
        reader.start()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        return Outcome(status: status, output: String(decoding: text, as: UTF8.self), errors: collected.wait())
    }

    /// Runs the binder as a user.
    static func bind(_ arguments: String..., user: User = .postern) throws -> Outcome {
        try self.run([self.binder] + arguments, as: user)
    }

    /// Runs a program of Tests/Integration/Attacks as a user, with Python.
    static func attack(_ name: String, _ arguments: String..., user: User = .postern) throws -> Outcome {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Attacks/\(name)")
        // The sources may be where no other user may look.
        let copy = "\(self.folder)/\(name)"
        try self.write(String(contentsOf: source, encoding: .utf8), to: copy, mode: 0o644)
        return try self.run(["/usr/bin/python3", "-I", copy] + arguments, as: user)
    }
}

/// What another thread has read.
private final class ErrorText: @unchecked Sendable {
    private let condition = NSCondition()
    private var data: Data?

    func set(_ data: Data) {
        self.condition.lock()
        self.data = data
        self.condition.broadcast()
        self.condition.unlock()
    }

    func wait() -> String {
        self.condition.lock()
        defer { self.condition.unlock() }
        while self.data == nil { self.condition.wait() }
        return String(decoding: self.data ?? Data(), as: UTF8.self)
    }
}
