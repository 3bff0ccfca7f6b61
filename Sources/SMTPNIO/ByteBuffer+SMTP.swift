package import NIOCore
package import SMTPCore

extension ByteBuffer {
    /// Appends a reply as the wire has it (RFC 5321 section 4.2).
    package mutating func writeReply(_ reply: SMTPReply) {
        let last = reply.lines.count - 1
        for (index, line) in reply.lines.enumerated() {
            self.writeString(reply.replyCode.description)
            self.writeInteger(index == last ? UInt8(ascii: " ") : UInt8(ascii: "-"))
            if let code = reply.enhancedStatusCode {
                self.writeString(code.description)
                self.writeInteger(UInt8(ascii: " "))
            }
            self.writeString(line)
            self.writeInteger(UInt16(0x0D0A))
        }
    }

    /// The octets before the next LF, where there is one; the reader index does not move.
    package var octetsBeforeLineFeed: Int? {
        let view = self.readableBytesView
        return view.firstIndex(of: 0x0A).map { $0 - view.startIndex }
    }
}
