import Foundation

/// A case of Tests/Vectors/pb1: a packet, and what a client has to say of it. (Linked into each suite that reads them.)
struct Vector: CustomStringConvertible, Sendable {
    /// The file's name.
    let name: String
    /// `request`, `reply` or `grant`.
    let kind: String
    /// What was asked for, with `grant`.
    let names: [String]
    let verdict: String
    let packet: [UInt8]

    var description: String { self.name }

    /// The folder of the cases.
    static var folder: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Vectors/pb1")
    }

    /// Every case of a kind, in the order of the files' names; all kinds for nil.
    static func all(_ kind: String? = nil) throws -> [Vector] {
        try FileManager.default.contentsOfDirectory(atPath: self.folder.path).sorted()
            .map { try Vector(self.folder.appending(path: $0)) }
            .filter { kind == nil || $0.kind == kind }
    }

    private init(_ file: URL) throws {
        var lines = try String(contentsOf: file, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        let head = lines.removeFirst()
        guard let colon = head.range(of: ": ") else { throw CocoaError(.fileReadCorruptFile) }
        let words = head[..<colon.lowerBound].split(separator: " ")
        self.name = file.lastPathComponent
        self.kind = String(words[0])
        self.names = words.dropFirst().flatMap { $0.split(separator: ",").map(String.init) }
        self.verdict = String(head[colon.upperBound...])
        var packet: [UInt8] = []
        var rest = Array(lines.joined().utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                packet.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): packet.append(0x0A)
            case UInt8(ascii: "\\"): packet.append(byte)
            case UInt8(ascii: "x"):
                guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                    throw CocoaError(.fileReadCorruptFile)
                }
                packet.append(value)
                rest = rest.dropFirst(2)
            default: throw CocoaError(.fileReadCorruptFile)
            }
        }
        self.packet = packet
    }
}
