import Logging
import NIOCore
import Routing
import SMTPCore
import SMTPNIO

// When a leg fails: whether there is another way, and what has to be said there once more.

/// What a transaction's legs have come to so far.
struct LegHistory {
    /// The places of the group that failed.
    var failed: [Endpoint] = []
    /// Whether a connection that had served before was given up for a fresh one: once is enough.
    var hasRetried = false
    /// The leg for which another is being made.
    var lost: (backend: String, step: String)?

    /// Nothing has happened yet.
    mutating func clear() {
        self.failed.removeAll(keepingCapacity: true)
        self.hasRetried = false
        self.lost = nil
    }
}

extension RelaySession {
    /// Whether a connection ended as one does that was kept for too long: before the backend had taken MAIL on it. That says
    /// nothing of the backend, and a fresh connection to it will do.
    func isStale(_ connection: BackendConnection, _ failure: SMTPClientFailure) -> Bool {
        guard connection.isReused, !self.legs.hasRetried, connection.handler.mailVerdict != .accepted else {
            return false
        }
        switch failure {
        case .closed, .answeredUnasked: return true
        case .session(let error):
            switch error.code {
            case .serviceClosing, .unexpectedReply: return true
            case .refusedSession, .earlyReply, .noTLS, .notAnnounced, .refusedIntroduction, .refusedClient,
                .refusedAuthentication:
                return false
            }
        case .syntax, .injection, .tls, .timeout: return false
        }
    }

    /// Whether the refusal of MAIL is one that a fresh connection may not get: the backend has had enough of this one.
    func isRefusalOfConnection(_ reply: SMTPReply) -> Bool {
        guard let connection = self.connection, connection.isReused, !self.legs.hasRetried else { return false }
        return connection.handler.mailVerdict == .refused && reply.isTransientNegative
    }

    /// What there is instead of the leg that failed.
    func alternative(to connection: BackendConnection, isStale: Bool) -> RelayTransaction.Alternative {
        var alternative = RelayTransaction.Alternative(hasLeg: false, hasMessage: self.window.isOpen)
        let step = self.transaction.step
        if isStale {
            self.legs.hasRetried = true
            alternative.hasLeg = true
            return alternative
        }
        // Where nothing was asked and nobody had been accepted, the next recipient finds its backend anew.
        guard self.transaction.isUnderWay else { return alternative }
        self.legs.lost = (connection.address, step)
        if case .group(let group)? = self.transaction.asked, let endpoint = connection.place?.endpoint {
            if !self.legs.failed.contains(where: { $0 === endpoint }) { self.legs.failed.append(endpoint) }
            alternative.hasLeg = self.legs.failed.count < self.context.groups.placeCount(of: group)
        }
        return alternative
    }

    /// Another leg is ready, for one that was lost.
    func reportFailover() {
        guard let lost = self.legs.lost, let connection = self.connection else { return }
        self.legs.lost = nil
        self.log.failedOver(
            self.context.logger, from: lost.backend, to: connection.address, step: lost.step, self.client.name)
    }

    /// A message begins that may have to be sent once more: where there is another backend.
    func openWindow() {
        guard case .group(let group)? = self.transaction.destination,
            self.context.groups.placeCount(of: group) > 1
        else { return }
        let limits = self.snapshot.configuration.limits
        self.window.open(limit: limits.replayWindow, total: limits.replayTotal)
    }

    /// Sends what has come of the message.
    func resendMessage(isWhole: Bool) {
        guard let handler = self.connection?.handler else { return }
        self.window.forEach { handler.writeMessage($0) }
        if isWhole {
            self.window.close()
            handler.endMessage()
        } else {
            self.window.sent()
            handler.flushMessage()
            self.deadline = .distantFuture
            self.server?.resumeReading()
        }
    }
}
