import BrokerCore
import Foundation
import Testing

@testable import PosternClient

/// The three clients on the same files.
@Suite struct VectorTests {
    /// What this client says of a grant, as the vectors have it.
    private func verdict(_ packet: [UInt8], names: [String]) -> String {
        do throws(GrantError) {
            let grant = try GrantReader(reply: packet.span, tag: "get")
            guard grant.code == 200 else {
                return "refused \(grant.code)|" + (grant.reason.map { packet.span.string($0) } ?? "")
            }
            var specs: [SocketSpec] = []
            for index in 0..<grant.count {
                guard let spec = try? grant.spec(index, in: packet.span) else { return "bad spec" }
                specs.append(spec)
            }
            let found = try grant.names(asked: names, in: packet.span)
            return "granted" + zip(found, specs).map { "|\($0) \(self.text($1))" }.joined()
        } catch {
            return "bad \(error.text)"
        }
    }

    private func text(_ spec: SocketSpec) -> String {
        func hex(_ number: UInt64, _ digits: Int) -> String {
            let text = String(number, radix: 16)
            return String(repeating: "0", count: digits - text.count) + text
        }
        let address =
            switch spec.host.family {
            case .any: "any -"
            case .ipv4: "4 " + hex(spec.host.low, 8)
            case .ipv6: "6 " + hex(spec.host.high, 16) + hex(spec.host.low, 16)
            }
        let device = spec.device.count > 0 ? spec.device.string : "-"
        return "\(spec.transport.word) \(address) \(spec.port) \(spec.isV6Only ? "v6only" : "-") \(device)"
    }

    @Test("Swift: a grant is what was asked for, a refusal, or bad", arguments: try Vector.all("grant"))
    func swift(vector: Vector) {
        #expect(self.verdict(vector.packet, names: vector.names) == vector.verdict)
    }

    @Test("C comes to the same verdicts, without a warning and without a fault", .enabled(if: Tool.cc.isHere, "no cc"))
    func c() throws {
        let program = try Tool.compileCheck()
        defer { try? FileManager.default.removeItem(atPath: program) }
        try self.compare(try Tool.run([program, "verdicts"]))
    }

    @Test("Python comes to the same verdicts", .enabled(if: Tool.python.isHere, "no python3"))
    func python() throws {
        let program = Vector.folder.deletingLastPathComponent().appending(path: "check.py").path
        try self.compare(try Tool.run([Tool.python.path, "-W", "error", program, "verdicts"]))
    }

    /// Compares what a checker printed: a line a file, NAME, a tab, its verdict.
    private func compare(_ outcome: (status: Int32, output: String, errors: String)) throws {
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        let vectors = try Vector.all()
        let lines = outcome.output.split(separator: "\n").map(String.init)
        #expect(lines.count == vectors.count)
        for (line, vector) in zip(lines, vectors) { #expect(line == "\(vector.name)\t\(vector.verdict)") }
    }
}

/// A program that the tests of another language's client need.
struct Tool {
    let path: String

    static let cc = Tool(path: "/usr/bin/cc")
    static let python = Tool(path: "/usr/bin/python3")

    var isHere: Bool { FileManager.default.isExecutableFile(atPath: self.path) }

    /// Compiles Tests/Vectors/check.c with every check there is; its path, which the caller removes.
    static func compileCheck() throws -> String {
        let program = FileManager.default.temporaryDirectory.appending(path: "check-\(UUID().uuidString)").path
        let root = Vector.folder.appending(path: "../../..").standardizedFileURL
        let outcome = try self.run([
            self.cc.path, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-g",
            "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", "\(root.path)/Sources/clients/c",
            "-o", program, "\(root.path)/Tests/Vectors/check.c",
        ])
        guard outcome.status == 0 else { throw ToolError(description: outcome.errors) }
        return program
    }

    /// Runs a program on every vector, in the order of their names.
    static func run(_ command: [String]) throws -> (status: Int32, output: String, errors: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments =
            Array(command.dropFirst())
            + (command.last == "verdicts" ? try Vector.all().map { Vector.folder.appending(path: $0.name).path } : [])
        let folder = FileManager.default.temporaryDirectory.appending(path: "out-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // (Files, since two pipes would have to be read at once.)
        let files = ["1", "2"].map { folder.appending(path: $0) }
        for file in files { try Data().write(to: file) }
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let texts = try files.map { try String(contentsOf: $0, encoding: .utf8) }
        return (process.terminationStatus, texts[0], texts[1])
    }
}

struct ToolError: Error, CustomStringConvertible {
    let description: String
}
