package import NIOCore
package import SMTPCore

extension ByteBuffer {
    /// Appends a reply as the wire has it (RFC 5321 section 4.2).
    ///
    /// - Parameter utf8: whether the client asked for SMTPUTF8; where not, what is not ASCII is written as `?`.
    package mutating func writeReply(_ reply: SMTPReply, utf8: Bool = false) {
        self.writeWithOutputRawSpan(minimumWritableBytes: reply.longestEncoding) { output in
            reply.encode(utf8: utf8) { part in
                for index in 0..<part.count { output.append(part[index]) }
            }
        }
    }

    /// Appends a command as the wire has it.
    package mutating func writeCommand(_ command: ClientCommand) {
        var length = 0
        command.encode { length += $0.count }
        self.writeWithOutputRawSpan(minimumWritableBytes: length) { output in
            command.encode { part in
                for index in 0..<part.count { output.append(part[index]) }
            }
        }
    }

    /// The readable octets, to be handed on. Their storage stays for the next ones, unless it is larger than `most`.
    mutating func takeReadable(keepingAtMost most: Int) -> ByteBuffer {
        let octets = self
        if self.capacity > most { self = ByteBuffer() } else { self.moveReaderIndex(to: self.writerIndex) }
        return octets
    }

    /// Makes room where octets lay that were taken, in the same storage if nobody has it any more. Nothing where some have
    /// yet to be.
    mutating func recycle() {
        if self.readableBytes == 0, self.capacity > 0 { self.clear() }
    }

    /// The octets before the next LF, where there is one; the reader index does not move.
    package var octetsBeforeLineFeed: Int? {
        let view = self.readableBytesView
        return view.firstIndex(of: 0x0A).map { $0 - view.startIndex }
    }
}
