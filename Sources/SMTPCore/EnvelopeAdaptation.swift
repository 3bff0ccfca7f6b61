/// What to do where a server lacks an extension that a transaction asks for, and there is a choice.
public struct EnvelopePolicy: Hashable, Sendable {
    /// What becomes of BODY=8BITMIME at a server without 8BITMIME.
    public enum EightBit: String, CaseIterable, Hashable, Sendable {
        /// The message goes as it is, without BODY=: every server that matters is 8-bit clean.
        case pass
        /// The transaction is refused: RFC 6152 section 3 asks for a conversion or for this.
        case refuse
    }

    /// What becomes of BODY=8BITMIME at a server without 8BITMIME.
    public var eightBit: EightBit

    /// Makes a policy; the default passes 8-bit messages.
    public init(eightBit: EightBit = .pass) {
        self.eightBit = eightBit
    }
}

/// A server cannot be asked to take this: nothing is to be sent, and the reply is the answer to the recipient.
public struct EnvelopeRefusal: Error, Hashable, Sendable {
    /// What to answer.
    public var reply: SMTPReply
}

extension ServerCapabilities {
    /// MAIL as this server can take it: with the parameters that it announced, and without the others where they only
    /// inform.
    ///
    /// - Throws: the answer for each recipient, where a parameter that is needed is not announced.
    public func adapted(_ mail: MailCommand, _ policy: EnvelopePolicy) throws(EnvelopeRefusal) -> MailCommand {
        var mail = mail
        // RFC 6531 section 3.5: without SMTPUTF8 the message must not go on; the parameter alone says that it is needed,
        // since its header may be UTF-8 where its envelope is not.
        if !self.extensions.contains(.smtpUTF8), mail.usesSMTPUTF8 || !mail.isASCII {
            throw EnvelopeRefusal(reply: .needsSMTPUTF8)
        }
        switch mail.body {
        case .binaryMIME:
            // It would need BDAT to the server (RFC 3030 section 3), and messages go on by DATA.
            throw EnvelopeRefusal(reply: .needsConversion)
        case .eightBitMIME where !self.extensions.contains(.eightBitMIME):
            if policy.eightBit == .refuse { throw EnvelopeRefusal(reply: .needsConversion) }
            mail.body = nil
        case .sevenBit where !self.extensions.contains(.eightBitMIME):
            mail.body = nil
        case .eightBitMIME, .sevenBit, nil:
            break
        }
        // A declared size over the server's own bound goes on all the same: the refusal is the server's to word.
        if !self.extensions.contains(.size) { mail.size = nil }
        if !self.extensions.contains(.dsn) {
            mail.returnContent = nil
            mail.envelopeID = nil
        }
        if !self.extensions.contains(.auth) { mail.authorization = nil }
        return mail
    }

    /// RCPT as this server can take it.
    ///
    /// - Throws: the answer for the recipient, where its address needs SMTPUTF8 and the server lacks it.
    public func adapted(_ recipient: RecipientCommand) throws(EnvelopeRefusal) -> RecipientCommand {
        var recipient = recipient
        if !self.extensions.contains(.dsn) {
            recipient.notify = nil
            recipient.originalRecipient = nil
        }
        if !self.extensions.contains(.smtpUTF8), !recipient.isASCII {
            throw EnvelopeRefusal(reply: .needsSMTPUTF8)
        }
        return recipient
    }
}

extension SMTPReply {
    /// `550 5.6.7`: the transaction asks for SMTPUTF8 and its destination has not got it (RFC 6531 section 3.5).
    public static let needsSMTPUTF8 = SMTPReply(550, .init(5, 6, 7), "SMTPUTF8 needed, but not available here")
    /// `554 5.6.3`: the message would have to be converted for its destination (RFC 6152 section 3).
    public static let needsConversion = SMTPReply(
        554, .init(5, 6, 3), "Body type not available here, conversion needed")
}
