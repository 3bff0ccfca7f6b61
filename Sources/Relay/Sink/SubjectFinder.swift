import NIOCore

/// Finds a message's subject while its octets pass, without keeping them.
struct SubjectFinder {
    /// The most octets of a header line that are looked at.
    private static let longestLine = 998

    /// The text of the Subject header field, unfolded, printable ASCII only; nil where there is none (yet).
    private(set) var subject: String?
    private var line = ByteBuffer()
    private var isDone = false

    /// Takes the next octets of the message.
    mutating func receive(_ octets: ByteBuffer) {
        guard !self.isDone else { return }
        var octets = octets
        while !self.isDone, octets.readableBytes > 0 {
            let end = octets.readableBytesView.firstIndex(of: 0x0A)
            let count = end.map { $0 + 1 - octets.readerIndex } ?? octets.readableBytes
            guard let part = octets.readSlice(length: count) else { return }
            let room = Self.longestLine - self.line.readableBytes
            if room > 0 { self.line.writeBytes(part.readableBytesView.prefix(room)) }
            if end != nil { self.lineEnded() }
        }
    }

    private mutating func lineEnded() {
        var octets = Array(self.line.readableBytesView)
        self.line.clear()
        while let last = octets.last, last <= 0x20 { octets.removeLast() }
        let isFolded = octets.first == 0x20 || octets.first == 0x09
        let text = String(decoding: octets.map { (0x20..<0x7F).contains($0) ? $0 : 0x20 }, as: UTF8.self)
        if octets.isEmpty {
            self.isDone = true  // the empty line behind the header
        } else if isFolded {
            if let subject = self.subject { self.subject = subject + " " + text.drop { $0 == " " } }
        } else if self.subject != nil {
            self.isDone = true  // the next field
        } else if text.lowercased().hasPrefix("subject:") {
            self.subject = String(text.dropFirst(8).drop { $0 == " " })
        }
    }
}
