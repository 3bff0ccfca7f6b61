import Foundation
import Testing

/// A message far larger than any buffer, to a backend that reads slowly.
@Suite("A large message", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayMemoryTests {
    /// Content in blocks of 1,000,000 bytes, no two alike; every tenth line begins with a dot.
    private struct Blocks {
        /// The block as the author wrote it, and as it goes over the wire, its leading dots doubled.
        private var plain: [UInt8] = []
        private var wire: [UInt8] = []

        init() {
            var state: UInt64 = 25
            for line in 0..<1000 {
                var text = (0..<998).map { _ -> UInt8 in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return 0x61 + UInt8(truncatingIfNeeded: (state >> 33) % 26)
                }
                if line % 10 == 5 { text[0] = UInt8(ascii: ".") }
                plain += text + [0x0D, 0x0A]
                wire += (text[0] == UInt8(ascii: ".") ? [text[0]] : []) + text + [0x0D, 0x0A]
            }
        }

        mutating func next(_ number: Int) -> (plain: [UInt8], wire: [UInt8]) {
            for (index, digit) in String(number + 100_000).utf8.enumerated() {
                plain[index] = digit
                wire[index] = digit
            }
            return (plain, wire)
        }
    }

    /// Sends a message of so many megabytes and compares what the app got: its size and hash.
    ///
    /// - Parameter declared: MAIL says SIZE. The app does not announce that extension and refuses the parameter, so
    ///   whoever stands between has to leave it out; nginx does not.
    private func send(
        megabytes: Int, declared: Bool, through dialogue: SMTPDialogue, to app: RunningProgram
    ) throws {
        let size = declared ? " SIZE=\(megabytes * 1_000_000 + 100)" : ""
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>" + size).code == 250)
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        try #require(try dialogue.command("DATA").code == 354)
        let hash = try RunningProgram(["sha256sum"], input: true)
        let header = Array("Subject: large\r\n\r\n".utf8)
        var blocks = Blocks()
        try hash.input?.write(contentsOf: Data(header))
        try dialogue.send(bytes: header)
        for number in 0..<megabytes {
            let block = blocks.next(number)
            try hash.input?.write(contentsOf: Data(block.plain))
            try dialogue.socket.send(block.wire)
        }
        try hash.input?.close()
        try dialogue.send(bytes: Array(".\r\n".utf8))
        #expect(try dialogue.reply().code == 250)
        #expect(try hash.exitStatus() == 0)
        let bytes = header.count + megabytes * 1_000_000
        let arrived = try app.line { $0.hasPrefix("arrived ") && $0.split(separator: " ")[1].count > 3 }
        #expect(arrived == "arrived \(bytes) \(hash.text.prefix(64))")
    }

    @Test("the harness itself: 5 MB through nginx to an app that reads slowly")
    func throughNginx() throws {
        let network = try TestNetwork()
        let app = try Peers.slowApp(in: network, pause: 0.05)
        let lookup = try Peers.nginxLookup(in: network, status: "OK")
        let relay = try Peers.nginxMail(in: network)
        try send(megabytes: 5, declared: false, through: SMTPDialogue.greeted(network, port: 25), to: app)
        withExtendedLifetime((lookup, relay)) {}
    }

    @Test("500 MB to an app that reads slowly arrive byte for byte, in 4 MB of memory at most")
    func throughPostern() throws {
        let network = try TestNetwork()
        let app = try Peers.slowApp(in: network, pause: 0.01)
        let relay = try RelayUnderTest.routed(in: network, "limits: {\(RelayUnderTest.anySize)}")
        // Idle is after a first message: the program's own pages are in then.
        let first = try relay.greeted()
        try #require(try first.message(to: "user@flxw.de", "Subject: x\r\n\r\nfirst").code == 250)
        #expect(try first.command("QUIT").code == 221)
        #expect(try first.isClosed())
        let idle = try relay.memory("VmRSS")
        try relay.resetPeakMemory()
        try send(megabytes: RelayWorld.isQuick ? 20 : 500, declared: true, through: relay.greeted(), to: app)
        let peak = try relay.memory("VmHWM")
        #expect(peak - idle <= 4096, "idle \(idle) kB, peak \(peak) kB")
        print("large message: idle \(idle) kB, peak \(peak) kB: \(peak - idle) kB more")
    }
}
