import Logging
import NIOCore
import SMTPCore
import SMTPNIO

/// What the log says of a transaction: one line at its end, with everything in it but the message.
struct TransactionLog {
    private var reversePath = ReversePath.null
    private var accepted = 0
    private var refused = 0
    private var size: UInt64 = 0
    private var bareLineFeeds: UInt64 = 0
    private var bareCarriageReturns: UInt64 = 0

    mutating func began(_ mail: MailCommand) {
        self = TransactionLog()
        self.reversePath = mail.reversePath
    }

    mutating func answered(recipient reply: SMTPReply) {
        if reply.isPositiveCompletion { self.accepted += 1 } else { self.refused += 1 }
    }

    mutating func received(size: UInt64, bareLineFeeds: UInt64, bareCarriageReturns: UInt64) {
        self.size = size
        self.bareLineFeeds = bareLineFeeds
        self.bareCarriageReturns = bareCarriageReturns
    }

    /// The message's fate is known: the backend's answer, or what stands for it.
    func completed(_ logger: Logger, _ reply: SMTPReply, backend: String?, _ client: SocketAddress) {
        let message: Logger.Message =
            switch reply {
            case .ambiguous: "ambiguous"
            case _ where reply.isPositiveCompletion: "delivered"
            default: "refused"
            }
        logger.log(level: reply == .ambiguous ? .warning : .info, message, metadata: self.metadata(reply, backend, client))
    }

    /// The relay itself refused the message.
    func refused(_ logger: Logger, _ reply: SMTPReply, _ client: SocketAddress) {
        logger.info("refused", metadata: self.metadata(reply, nil, client))
    }

    /// The client left in the middle of the message.
    func abandoned(_ logger: Logger, _ client: SocketAddress) {
        logger.info("client lost", metadata: self.metadata(nil, nil, client))
    }

    /// The backend left, or said what it must not.
    func backendFailed(_ logger: Logger, _ failure: SMTPClientFailure, backend: String?, _ client: SocketAddress) {
        var metadata = self.metadata(nil, backend, client)
        metadata["error"] = "\(failure)"
        logger.warning("backend failed", metadata: metadata)
    }

    private func metadata(_ reply: SMTPReply?, _ backend: String?, _ client: SocketAddress) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "client": "\(client.hostAndPort)", "from": "<\(self.reversePath)>", "recipients": "\(self.accepted)",
        ]
        if self.refused > 0 { metadata["recipients-refused"] = "\(self.refused)" }
        if self.size > 0 { metadata["size"] = "\(self.size)" }
        if self.bareLineFeeds > 0 { metadata["bare-lf"] = "\(self.bareLineFeeds)" }
        if self.bareCarriageReturns > 0 { metadata["bare-cr"] = "\(self.bareCarriageReturns)" }
        if let backend { metadata["backend"] = "\(backend)" }
        if let reply { metadata["reply"] = "\(reply)" }
        return metadata
    }
}
