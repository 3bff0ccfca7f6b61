import NIOCore
import Testing

@testable import SMTPNIO

/// The room of replies and commands, which those that come use again.
@Suite("The room of what was said") struct ByteBufferRoomTests {
    @Test("What was taken stays as it is, whoever writes where it lay")
    func taken() {
        var room = ByteBuffer(string: "250 one\r\n")
        let first = room.takeReadable(keepingAtMost: 1024)
        #expect(room.readableBytes == 0)
        room.recycle()
        room.writeString("250 two\r\n")
        let second = room.takeReadable(keepingAtMost: 1024)
        room.recycle()
        room.writeString("221 bye\r\n")
        #expect(String(buffer: first) == "250 one\r\n")
        #expect(String(buffer: second) == "250 two\r\n")
        #expect(String(buffer: room) == "221 bye\r\n")
    }

    @Test("Where nobody has what was taken any more, nothing is allocated")
    func reused() {
        var room = ByteBuffer(string: "250 one\r\n")
        let place = room.place
        _ = room.takeReadable(keepingAtMost: 1024)
        room.recycle()
        room.writeString("250 two\r\n")
        #expect(room.place == place)
    }

    @Test("What has yet to be taken is not thrown away")
    func kept() {
        var room = ByteBuffer(string: "250 one\r\n")
        room.recycle()
        room.writeString("250 two\r\n")
        #expect(String(buffer: room.takeReadable(keepingAtMost: 1024)) == "250 one\r\n250 two\r\n")
    }

    @Test("Large room goes with what is taken")
    func large() {
        var room = ByteBuffer(string: String(repeating: "x", count: 4096))
        #expect(room.takeReadable(keepingAtMost: 1024).readableBytes == 4096)
        #expect(room.capacity == 0)
        var secret = ByteBuffer(string: "AUTH PLAIN …\r\n")
        _ = secret.takeReadable(keepingAtMost: 0)
        #expect(secret.capacity == 0)
    }
}

extension ByteBuffer {
    /// Where the octets lie.
    fileprivate var place: UInt { unsafe self.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) } }
}
