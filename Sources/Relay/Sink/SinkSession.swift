import Crypto
import FoundationEssentials
import Logging
import NIOCore
import SMTPCore
import SMTPNIO

/// What a sink does with one client: takes every message, tells of it in one line, keeps it where it has a Maildir.
final class SinkSession: SMTPServerDelegate {
    private weak var server: SMTPServerHandler?
    private let maildir: Maildir?
    private let report: (String) -> Void
    private let logger: Logger
    private let makeName: () -> String

    private var reversePath = ReversePath.null
    private var forwardPaths: [ForwardPath] = []
    private var hash = SHA256()
    private var subject = SubjectFinder()
    private var draft = DraftSlot()
    private var failure: MaildirError?

    /// Holds a draft, which cannot be copied, for a class.
    private struct DraftSlot: ~Copyable {
        var draft: Maildir.Draft?
    }

    /// - Parameters:
    ///   - report: takes the line about a message.
    ///   - makeName: makes a name that is unique in the Maildir.
    init(
        maildir: Maildir?, logger: Logger, report: @escaping (String) -> Void, makeName: @escaping () -> String
    ) {
        self.maildir = maildir
        self.logger = logger
        self.report = report
        self.makeName = makeName
    }

    func start(_ server: SMTPServerHandler) {
        self.server = server
    }

    var acceptsMessage: Bool { true }

    func transactionBegan(_ mail: MailCommand, line: ByteBuffer) {
        self.forget()
        self.reversePath = mail.reversePath
    }

    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer) {
        self.forwardPaths.append(recipient.forwardPath)
        self.server?.recipientCompleted(.ok)
    }

    func prepareMessage() {
        if let maildir = self.maildir {
            do {
                self.draft.draft = try maildir.draft(name: self.makeName())
            } catch {
                self.failure = error
                self.logger.error("message not kept", metadata: ["error": "\(error)"])
                self.server?.dataCompleted(.sinkFailed)
                return
            }
        }
        self.server?.dataCompleted(.startMailInput)
    }

    func messageReceived(_ octets: ByteBuffer) {
        self.hash.update(data: Array(octets.readableBytesView))
        self.subject.receive(octets)
        guard self.failure == nil else { return }
        do {
            try self.draft.draft?.write(octets)
        } catch {
            self.failure = error
        }
    }

    func messageReceiveCompleted() {}

    func messageRefused(_ reply: SMTPReply) {
        self.forget()
    }

    func messageEnded(_ receipt: MessageReceipt) {
        do {
            if let failure = self.failure { throw failure }
            if let draft = self.draft.draft.take() { try draft.keep() }
            let digest = self.hash.finalize().map { octet in
                String(octet >> 4, radix: 16) + String(octet & 15, radix: 16)
            }
            let recipients = self.forwardPaths.map { "<\($0)>" }.joined(separator: ",")
            self.report(
                "from=<\(self.reversePath)> to=\(recipients) size=\(receipt.size) "
                    + "subject=\"\(self.subject.subject ?? "")\" sha256=\(digest.joined())")
            self.server?.messageCompleted(.ok)
        } catch {
            self.logger.error("message not kept", metadata: ["error": "\(error)"])
            self.server?.messageCompleted(.sinkFailed)
        }
        self.forget()
    }

    func transactionReset() {
        self.forget()
    }

    func sessionClosed() {
        self.forget()
        self.server = nil
    }

    private func forget() {
        self.reversePath = .null
        self.forwardPaths = []
        self.hash = SHA256()
        self.subject = SubjectFinder()
        self.draft = DraftSlot()
        self.failure = nil
    }
}

extension SMTPReply {
    /// `451 4.3.0`: the message could not be kept.
    fileprivate static let sinkFailed = SMTPReply(451, .init(4, 3, 0), "Message could not be kept, try again later")
}
