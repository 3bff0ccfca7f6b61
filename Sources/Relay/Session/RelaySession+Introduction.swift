import AuthHTTP
import Logging
import NIOCore
import Routing
import SMTPCore
import SMTPNIO

// On whose behalf a session with a backend is: what the backend is told of the client, and as whom it is logged in to.
//
// A connection to a backend is introduced once, and bound to what it was told. Where that is no longer so, because the
// client said EHLO anew or logged in, the next transaction has a connection of its own.

extension RelaySession {
    /// What is to be said on a connection behind EHLO, and behind TLS; nil where there is no password to log in with.
    private func introduction(of connection: BackendConnection) -> ClientIntroduction? {
        let policy = connection.policy
        var introduction = ClientIntroduction(needsXForward: policy.identity == .xforward)
        // What a lookup said is for the server that it named.
        let login = (connection.backend == nil ? self.lookupLogin : nil) ?? self.client.login
        if policy.identity == .xclient {
            let greeting = self.server?.clientGreeting
            // Who logs in with AUTH is known by that; nginx leaves LOGIN out then, too.
            introduction.xclient = self.client.xclient(greeting, login: policy.login == nil ? login : nil)
            introduction.greeting = greeting
        }
        switch policy.login {
        case nil:
            break
        case .user(let credentials):
            introduction.credentials = credentials
        case .client:
            if let login {
                guard let password = login.password else { return nil }
                introduction.credentials = ClientCredentials(user: Array(login.user.utf8), password: password)
            }
        }
        return introduction
    }

    /// Keeps as whom a lookup would have the server take the client; what it does not say stays the client's own.
    func remember(_ answer: LookupAnswer.Allowed) {
        self.lookupLogin = self.login(of: answer)
    }

    func login(of answer: LookupAnswer.Allowed) -> ClientLogin? {
        let own = self.client.login
        guard let user = answer.user ?? own?.user else { return nil }
        let password = answer.password.map { Secret(Array($0.utf8)) } ?? own?.password
        return ClientLogin(user: user, password: password)
    }

    /// Introduces the connection, if that is to be done; false where it is not, and a transaction can begin.
    func introduces(_ connection: BackendConnection) -> Bool {
        guard self.introduced == nil else { return false }
        guard let introduction = self.introduction(of: connection) else {
            let reply = SMTPReply(451, .init(4, 7, 0), "no password to log in with")
            connection.handler.close()
            self.clientFailed(.session(ClientSessionError(code: .refusedAuthentication, reply: reply)))
            return true
        }
        self.introduced = introduction
        guard !introduction.isEmpty else { return false }
        connection.handler.introduce(introduction)
        return true
    }

    /// Whether the connection was introduced as it would be now.
    var isIntroductionValid: Bool {
        guard let connection = self.connection, let introduced = self.introduced else { return true }
        return self.introduction(of: connection) == introduced
    }

    /// What XFORWARD tells in front of MAIL.
    var forwarding: [ClientAttribute] {
        guard let connection = self.connection, connection.policy.identity == .xforward else { return [] }
        return self.client.xforward(self.server?.clientGreeting, identifier: self.log.id)
    }
}
