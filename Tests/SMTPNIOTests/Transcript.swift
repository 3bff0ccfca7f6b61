import Foundation

/// A recorded dialogue: what the client sends, and what the server answers to all of it.
///
/// `C: text` sends a line, `C+ text` one with escapes (`\n`, `\r`, `\x00`), `C* text count` the text padded to `count`
/// octets; `S: text` is a line of the server's. `#` begins a comment.
struct Transcript: Sendable {
    let name: String
    private(set) var client: [UInt8] = []
    private(set) var server = ""

    init(named name: String, in file: String = #filePath) throws {
        self.name = name
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("Transcripts")
        let text = try String(contentsOf: folder.appendingPathComponent("\(name).txt"), encoding: .utf8)
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let content = String(line.dropFirst(3))
            switch line.prefix(2) {
            case "C:": self.client += Array((content + "\r\n").utf8)
            case "C+": self.client += Array((Self.unescaped(content) + "\r\n").utf8)
            case "C*":
                let parts = content.split(separator: " ")
                guard let word = parts.first, let count = parts.last.flatMap({ Int($0) }) else {
                    throw Malformed(line: line)
                }
                self.client += Array((word + String(repeating: "x", count: count - word.count) + "\r\n").utf8)
            case "S:": self.server += content + "\r\n"
            default: throw Malformed(line: line)
            }
        }
    }

    struct Malformed: Error {
        var line: Substring
    }

    private static func unescaped(_ text: String) -> String {
        text.replacingOccurrences(of: "\\n", with: "\n").replacingOccurrences(of: "\\r", with: "\r")
            .replacingOccurrences(of: "\\x00", with: "\u{0}")
    }
}
