import AuthHTTP
import FoundationEssentials
import NIOCore
import Routing
import SMTPCore
import SMTPNIO

// What the destination of a transaction asks for: on which terms a message is received, the Received field in front of
// it, and what of the backend's replies the client gets to read.

extension RelaySession {
    func policy(of destination: Destination) -> DeliveryPolicy {
        destination.policy(lookup: self.snapshot.configuration.lookupPolicy)
    }

    /// The terms of the transaction's destination; nil while it has none.
    var messageTerms: MessageTerms? {
        guard let policy = self.transaction.destination.map(self.policy) else { return nil }
        let limit = UInt64(self.snapshot.configuration.limits.messageSize)
        return MessageTerms(policy: policy.message, size: policy.size ?? limit)
    }

    /// The field for a message to `recipient` alone, or to several where that is nil.
    private func receivedField(for recipient: ForwardPath?) -> ReceivedField {
        let greeting = self.server?.clientGreeting
        var transmission = ReceivedField.Transmission(usesSMTPUTF8: self.transaction.mail.usesSMTPUTF8)
        if case .ehlo = greeting { transmission.isExtended = true }
        transmission.isAuthenticated = self.server?.isAuthenticated ?? false
        transmission.tls = self.client.tls?.trace
        return ReceivedField(
            helo: greeting?.name ?? "", clientName: self.client.host.name, clientAddress: self.client.ip,
            serverName: self.serverName, transmission: transmission, id: self.log.id, recipient: recipient,
            unixTime: Int64(Date().timeIntervalSince1970))
    }

    /// MAIL with the length of our field added to what the client said (RFC 1870 section 6.1 counts what is sent).
    func enlarged(_ mail: MailCommand, for destination: Destination?) -> MailCommand {
        guard let size = mail.size, let destination, self.policy(of: destination).addsReceived else { return mail }
        var mail = mail
        let (sum, overflows) = size.addingReportingOverflow(
            UInt64(self.receivedField(for: self.transaction.firstRecipient).length))
        mail.size = overflows ? .max : sum
        return mail
    }

    /// Puts our field in front of the message (RFC 5321 section 4.4).
    func writeReceivedField() {
        guard let destination = self.transaction.destination, self.policy(of: destination).addsReceived else { return }
        let isOnly = self.transaction.accepted.count == 1
        let field = self.receivedField(for: isOnly ? self.transaction.firstRecipient : nil)
        self.writeMessage(ByteBuffer(bytes: field.octets))
    }

    /// Passes octets of the message on, and keeps them while they may have to be sent once more.
    func writeMessage(_ octets: ByteBuffer) {
        self.connection?.handler.writeMessage(octets)
        self.window.append(octets)
    }

    /// A backend's reply without the backend's names, where they are to be hidden.
    func masked(_ reply: SMTPReply) -> SMTPReply {
        guard let connection = self.connection, connection.policy.masksReplies else { return reply }
        return connection.mapping(to: self.serverName).masked(reply, known: self.recipientDomains)
    }

    /// A failure whose reply, where it has one, the client may read.
    func masked(_ failure: SMTPClientFailure) -> SMTPClientFailure {
        switch failure {
        case .session(let error):
            .session(ClientSessionError(code: error.code, reply: self.masked(error.reply)))
        case .syntax, .answeredUnasked, .injection, .tls, .timeout, .closed:
            failure
        }
    }
}
