package import SMTPCore
import SMTPNIO

// What the relay itself says to a client. Everything that is not the client's own fault is transient: the sending MTA
// keeps the message and tries again.

extension SMTPReply {
    /// `550 5.7.1`: no route, and nobody to ask.
    package static let relayingDenied = SMTPReply(550, .init(5, 7, 1), "Relaying denied")
    /// `451 4.3.0`: the lookup gave no verdict.
    package static let lookupFailed = SMTPReply(
        451, .init(4, 3, 0), "Recipient cannot be verified now, try again later")
    /// `451 4.3.5`: the expression of a route went beyond its bounds, so that nobody knows whether the route is taken.
    package static let routeUndecided = SMTPReply(451, .init(4, 3, 5), "Server configuration problem, try again later")
    /// `451 4.4.1`: no backend could be reached.
    package static let backendUnreachable = SMTPReply(451, .init(4, 4, 1), "No backend available, try again later")
    /// `451 4.3.2`: every backend that could take the message has as many sessions as it may.
    package static let backendBusy = SMTPReply(451, .init(4, 3, 2), "Backends busy, try again later")
    /// `451 4.3.0`: the backend does not want to talk to us, or not sensibly.
    package static let backendRefused = SMTPReply(451, .init(4, 3, 0), "Backend not usable, try again later")
    /// `451 4.7.0`: the backend does not take the login that it was to take.
    package static let backendLoginFailed = SMTPReply(
        451, .init(4, 7, 0), "Backend refused authentication, try again later")
    /// `451 4.7.5`: there is no TLS with the backend, and its group asks for it.
    package static let backendTLSFailed = SMTPReply(
        451, .init(4, 7, 5), "No TLS with backend, try again later")
    /// `421 4.3.2`: the relay has too much to do, then the channel closes.
    package static let overloaded = SMTPReply(421, .init(4, 3, 2), "System busy, try again later")
    /// `451 4.4.2`: the backend went away, or fell silent.
    package static let backendLost = SMTPReply(451, .init(4, 4, 2), "Connection to backend lost, try again later")
    /// `451 4.3.0`: a backend failed, and another one does not take what that one took.
    package static let verdictChanged = SMTPReply(
        451, .init(4, 3, 0), "Backend lost, and another does not agree, try again later")
    /// `451 4.4.2`: the final dot was sent, and no answer came. The backend may have the message all the same
    /// (RFC 1047), so a second copy is possible; a lost one is not.
    package static let ambiguous = SMTPReply(451, .init(4, 4, 2), "No answer from backend, message state unknown")

    /// A backend's reply as the client gets it: with an enhanced code, and never 421, which would say that *our* channel
    /// closes (RFC 5321 section 3.8).
    package var relayed: SMTPReply {
        guard self.replyCode == 421 else { return self.withEnhancedStatusCode() }
        return SMTPReply(451, self.enhancedStatusCode ?? .init(4, 3, 0), lines: self.lines).withEnhancedStatusCode()
    }
}

extension RelayTransaction.Failure {
    /// What the client gets in place of the backend's answer.
    var reply: SMTPReply {
        switch self {
        case .unreachable: .backendUnreachable
        case .busy: .backendBusy
        case .timeout: .backendLost
        case .session(.closed), .session(.timeout): .backendLost
        case .session(.syntax), .session(.answeredUnasked): .backendRefused
        case .session(.tls), .session(.injection): .backendTLSFailed
        case .session(.session(let error)):
            switch error.code {
            case .refusedSession, .unexpectedReply, .notAnnounced, .refusedIntroduction: .backendRefused
            case .refusedAuthentication: .backendLoginFailed
            case .serviceClosing, .refusedClient: error.reply.relayed
            case .earlyReply: .backendLost
            case .noTLS: .backendTLSFailed
            }
        }
    }

    /// A refusal that the backend gave before the message was whole: it stands for the whole message.
    var earlyReply: SMTPReply? {
        guard case .session(.session(let error)) = self else { return nil }
        switch error.code {
        case .earlyReply, .serviceClosing:
            return error.reply.isTransientNegative || error.reply.isPermanentNegative ? error.reply.relayed : nil
        case .refusedSession, .unexpectedReply, .noTLS, .notAnnounced, .refusedIntroduction, .refusedClient,
            .refusedAuthentication:
            return nil
        }
    }
}
