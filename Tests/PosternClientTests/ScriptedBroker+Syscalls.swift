import Foundation
import PosternClient

/// Waits until the broker's end has arrived here.
func waitForEnd(of lease: borrowing Lease) {
    var waiting = pollfd(fd: lease.descriptor, events: Int16(POLLIN), revents: 0)
    _ = unsafe poll(&waiting, 1, 20_000)
}

/// The lease; fails if there is none. (`#require` takes nothing that cannot be copied.)
func required(_ lease: consuming Lease?) throws -> Lease {
    switch consume lease {
    case .some(let lease): return lease
    case nil: throw CocoaError(.featureUnsupported)
    }
}

/// A broker that does what a script says: Tests/Vectors/scripted_broker.py.
final class ScriptedBroker {
    /// Its socket.
    let path: String
    private let process = Process()
    private let output = Pipe()
    private let input = Pipe()
    private var rest = Data()

    /// Starts it; returns once it listens.
    init(_ script: String) throws {
        let identifier = UUID().uuidString
        self.path = FileManager.default.temporaryDirectory.appending(path: "broker-\(identifier.prefix(13))").path
        let program = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Vectors/scripted_broker.py").path
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        self.process.arguments = ["-I", program, self.path, script]
        self.process.standardOutput = self.output
        self.process.standardInput = self.input
        try self.process.run()
        guard self.line() == "ready" else { throw CocoaError(.executableLoad) }
    }

    deinit {
        // (SIGTERM can be blocked here, and then is there.)
        if self.process.isRunning { kill(self.process.processIdentifier, SIGKILL) }
        self.process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: self.path)
    }

    /// The next line that the script tells; nil once it has ended.
    func line() -> String? {
        while true {
            if let end = self.rest.firstIndex(of: UInt8(ascii: "\n")) {
                defer { self.rest.removeSubrange(...end) }
                return String(decoding: self.rest[..<end], as: UTF8.self)
            }
            let more = self.output.fileHandleForReading.availableData
            guard !more.isEmpty else { return nil }
            self.rest += more
        }
    }

    /// Lets the script's next input() return.
    func proceed() throws { try self.input.fileHandleForWriting.write(contentsOf: Data("\n".utf8)) }
}
