import Foundation
import Logging
import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO
import Testing

@testable import Relay

/// A sink's channel, and what it reported.
private final class Sink {
    let channel = EmbeddedChannel()
    private(set) var reports: [String] = []
    private var names = 0

    init(maildir: Maildir?) throws {
        var configuration = ServerSessionConfiguration(serverName: "sink.example")
        configuration.forbidsEarlyInput = false
        let session = SinkSession(
            maildir: maildir, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            report: { [unowned self] in self.reports.append($0) },
            makeName: { [unowned self] in
                self.names += 1
                return "message\(self.names)"
            })
        let handler = SMTPServerHandler(
            configuration: configuration, extendedReply: configuration.extendedReply, timeouts: SMTPServerTimeouts(),
            form: .content, sweep: SessionSweep(eventLoop: self.channel.embeddedEventLoop), delegate: session)
        session.start(handler)
        try self.channel.pipeline.syncOperations.addHandler(handler)
        self.channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 2525), promise: nil)
    }

    func send(_ text: String) throws -> String {
        if self.channel.isActive { try self.channel.writeInbound(ByteBuffer(string: text)) }
        var replies = ""
        while let octets = try self.channel.readOutbound(as: ByteBuffer.self) { replies += String(buffer: octets) }
        return replies
    }
}

@Suite struct SinkSessionTests {
    private func temporaryFolder() -> String {
        FileManager.default.temporaryDirectory.appending(path: "sink-\(UUID().uuidString)").path
    }

    @Test("A message is one line: from, to, size, subject and the SHA-256 of its octets, dots unstuffed")
    func report() throws {
        let sink = try Sink(maildir: nil)
        _ = try sink.send(
            "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n"
                + "Subject: hi\r\n\r\n..dot\r\n.\r\n")
        // sha256sum of "Subject: hi\r\n\r\n.dot\r\n"
        let digest = "e2d1573984ec3949ee0cc8c4bef10250e80b538efd0bba44d053f8a36721a77d"
        #expect(sink.reports.count == 1)
        let line = try #require(sink.reports.first)
        #expect(line.hasPrefix("from=<a@b.example> to=<c@d.example>,<Postmaster> size=21 subject=\"hi\" sha256="))
        #expect(line.hasSuffix(digest))
    }

    @Test("A Maildir keeps the message's octets, in new and nowhere else")
    func maildir() throws {
        let folder = self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let sink = try Sink(maildir: try Maildir(path: folder))
        _ = try sink.send("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nDATA\r\none\ntwo\r\n..\r\n.\r\n")
        let kept = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/new")
        #expect(kept == ["message1"])
        #expect(try String(contentsOfFile: "\(folder)/new/message1", encoding: .utf8) == "one\r\ntwo\r\n.\r\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/tmp").isEmpty)
    }

    @Test("A client that leaves in its message leaves no file", arguments: ["", "half a mess"])
    func abandoned(content: String) throws {
        let folder = self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let sink = try Sink(maildir: try Maildir(path: folder))
        _ = try sink.send("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + content)
        sink.channel.close(promise: nil)
        sink.channel.embeddedEventLoop.run()
        for place in ["new", "tmp"] {
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(place)").isEmpty)
        }
        #expect(sink.reports.isEmpty)
    }

    @Test("A message that cannot be kept is refused for now, and the session goes on")
    func notKept() throws {
        let folder = self.temporaryFolder()
        let sink = try Sink(maildir: try Maildir(path: folder))
        try FileManager.default.removeItem(atPath: folder)
        let replies = try sink.send(
            "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nRSET\r\nNOOP\r\n")
        #expect(
            replies.hasSuffix(
                "451 4.3.0 Message could not be kept, try again later\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n"))
        #expect(sink.reports.isEmpty)
    }

    @Test("A Maildir that cannot be made says which folder, and why")
    func noMaildir() {
        #expect(throws: MaildirError.self) { try Maildir(path: "/proc/no/such/folder") }
        do {
            _ = try Maildir(path: "/proc/no/such/folder")
        } catch {
            #expect("\(error)" == "mkdir /proc/no/such/folder: No such file or directory")
        }
    }
}
