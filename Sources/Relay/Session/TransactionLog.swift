import Logging
import NIOCore
import SMTPCore
import SMTPNIO

/// What the log says of a transaction: one line at its end, with everything in it but the message.
struct TransactionLog {
    private(set) var id = ""
    private var reversePath = ReversePath.null
    private(set) var accepted = 0
    private var refused = 0
    private var receipt = MessageReceipt()
    /// The backend that failed; its connection is gone by the time that the message's fate is logged.
    private var lostBackend: String?

    mutating func began(_ mail: MailCommand, id: TransactionID) {
        self = TransactionLog()
        self.id = id.description
        self.reversePath = mail.reversePath
    }

    mutating func answered(recipient reply: SMTPReply) {
        if reply.isPositiveCompletion { self.accepted += 1 } else { self.refused += 1 }
    }

    mutating func received(_ receipt: MessageReceipt) {
        self.receipt = receipt
    }

    /// The message's fate is known: the backend's answer, or what stands for it.
    func completed(_ logger: Logger, _ reply: SMTPReply, backend: String?, _ client: String) {
        switch reply {
        case .ambiguous: logger.warning(.init(stringLiteral: self.line("ambiguous", reply, backend, client)))
        case _ where reply.isPositiveCompletion:
            logger.info(.init(stringLiteral: self.line("delivered", reply, backend, client)))
        default: logger.info(.init(stringLiteral: self.line("refused", reply, backend, client)))
        }
    }

    /// The relay itself refused the message.
    func refused(_ logger: Logger, _ reply: SMTPReply, _ client: String) {
        logger.info(.init(stringLiteral: self.line("refused", reply, nil, client)))
    }

    /// The client left in the middle of the message.
    func abandoned(_ logger: Logger, _ client: String) {
        logger.info(.init(stringLiteral: self.line("client-lost", nil, nil, client)))
    }

    /// The client left behind its message, and never heard what became of it.
    func replyLost(_ logger: Logger, _ reply: SMTPReply, backend: String?, _ client: String) {
        let word = reply.isPositiveCompletion ? "delivered-reply-lost" : "refused-reply-lost"
        logger.warning(.init(stringLiteral: self.line(word, reply, backend, client)))
    }

    /// The backend left, or said what it must not.
    mutating func backendFailed(
        _ logger: Logger, _ failure: SMTPClientFailure, backend: String?, _ client: String
    ) {
        self.lostBackend = backend
        logger.warning("\(self.line("backend-failed", nil, backend, client)) error=\(Self.value("\(failure)"))")
    }

    /// Another backend has what one had that failed.
    func failedOver(_ logger: Logger, from lost: String, to backend: String, step: String, _ client: String) {
        logger.warning("failover id=\(self.id) client=\(client) from=\(lost) to=\(backend) phase=\(step)")
    }

    /// `word key=value …`: composed here and not as metadata, which costs a dictionary a message.
    private func line(_ word: String, _ reply: SMTPReply?, _ backend: String?, _ client: String) -> String {
        var line = LogLine()
        line.append(word)
        line.append(" id=")
        line.append(self.id)
        line.append(" client=")
        line.append(client)
        line.append(" from=")
        line.append(path: self.reversePath)
        line.append(" recipients=", self.accepted)
        if self.refused > 0 { line.append(" recipients-refused=", self.refused) }
        if self.receipt.size > 0 { line.append(" size=", self.receipt.size) }
        if self.receipt.bareLineFeeds > 0 { line.append(" bare-lf=", self.receipt.bareLineFeeds) }
        if self.receipt.bareCarriageReturns > 0 { line.append(" bare-cr=", self.receipt.bareCarriageReturns) }
        if let backend = backend ?? self.lostBackend {
            line.append(" backend=")
            line.append(backend)
        }
        if let reply {
            line.append(" reply=")
            line.append(reply: reply)
        }
        return line.text
    }

    /// The text with `?` for what nobody sees: marks that turn the order of letters round, or end a line for some viewer,
    /// would show another line than the one that was written.
    private static func visible(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .format, .lineSeparator, .paragraphSeparator, .control: scalars.append("?")
            default: scalars.append(scalar)
            }
        }
        return String(scalars)
    }

    /// A user's name, which may have any character in it and be 9 KB long: what a stranger sees of it is visible, and cut.
    static func name(_ written: String) -> String {
        let isLong = written.utf8.count > 255
        return self.value(self.visible(isLong ? String(written.unicodeScalars.prefix(255)) + "…" : written))
    }

    /// A value of a stranger's: in quotes where it could be taken for more than one, with its own quotes escaped.
    static func value(_ written: String) -> String {
        let text = written.utf8.contains { $0 >= 0x80 } ? self.visible(written) : written
        guard text.utf8.contains(where: { $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
            return text
        }
        var quoted: [UInt8] = [UInt8(ascii: "\"")]
        for octet in text.utf8 {
            if octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "\\") { quoted.append(UInt8(ascii: "\\")) }
            quoted.append(octet)
        }
        quoted.append(UInt8(ascii: "\""))
        return String(decoding: quoted, as: UTF8.self)
    }
}
