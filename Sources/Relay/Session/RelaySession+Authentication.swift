import AuthHTTP
import FoundationEssentials
import Logging
import NIOCore
import SMTPCore
import SMTPNIO

// Who the client is: by the users file of its listener, else by lookup.

extension RelaySession {
    func authenticate(_ command: AuthCommand) {
        // What was shown in an attempt that failed is never used again (CVE-2025-53859).
        self.forgetAuthentication()
        guard let mechanism = SASLMechanism(rawValue: command.mechanism) else {
            preconditionFailure("a mechanism that nobody announced")
        }
        let now = Int64(Date().timeIntervalSince1970)
        var exchange = SASLExchange(mechanism, name: self.serverName, unixTime: now)
        let step = exchange.begin(command.initialResponse)
        self.authentication.exchange = exchange
        self.perform(step)
    }

    func continueAuthentication(_ response: Secret) {
        guard var exchange = self.authentication.exchange else { preconditionFailure("no exchange is going on") }
        let step = exchange.respond(response)
        self.authentication.exchange = exchange
        self.perform(step)
    }

    func authenticationForgotten() {
        self.forgetAuthentication()
        self.leaveIdleBackend()
    }

    func unofferedAuthenticationSeen() {
        guard !self.authentication.isUnofferedLogged else { return }
        self.authentication.isUnofferedLogged = true
        self.context.logger.warning("auth-unoffered client=\(self.client.name)")
    }

    /// The client is nobody any more.
    func forgetAuthentication() {
        self.authentication.id += 1
        self.authentication.exchange = nil
        self.authentication.destination = nil
        self.client.login = nil
        self.lookupLogin = nil
    }

    /// MAIL as it goes on: who a client that is nobody says the author is, is not to be passed on as if we knew (RFC 4954
    /// section 5).
    func attributed(_ mail: MailCommand) -> MailCommand {
        guard mail.authorization != nil, self.client.login == nil else { return mail }
        var mail = mail
        mail.authorization = "<>"
        return mail
    }

    private func perform(_ step: SASLExchange.Step) {
        switch step {
        case .challenge(let challenge):
            self.server?.authenticationContinued(challenge)
        case .refuse(let reply):
            self.authentication.exchange = nil
            // Only what tells of names and passwords has to take its time.
            guard reply == .invalidCredentials else { return self.refuse(reply, user: nil, wait: .zero) }
            self.refuse(reply, user: nil, wait: SessionAuthentication.refusalDelay)
        case .verify(let credentials):
            self.authentication.exchange = nil
            self.verify(credentials)
        }
    }

    private func verify(_ credentials: SASLCredentials) {
        // RFC 4422 appendix A: EXTERNAL is about what the channel has shown, and without a certificate that is nothing.
        if case .channel = credentials.proof, self.client.tls?.certificate == nil {
            return self.refuse(
                .invalidCredentials, user: credentials.user, wait: SessionAuthentication.refusalDelay)
        }
        let snapshot = self.context.snapshot
        let listeners = snapshot.configuration.listeners
        if listeners.indices.contains(self.listener), let file = listeners[self.listener].users {
            return self.verify(credentials, file: file)
        }
        guard let lookup = self.lookup(in: snapshot) else {
            // A reload has taken away who could tell.
            return self.refuse(.authenticationUnavailable, user: credentials.user, wait: .zero)
        }
        self.verify(credentials, lookup: lookup, within: snapshot.configuration.timeouts.recipient)
    }
}

// MARK: The users file

extension RelaySession {
    private func verify(_ credentials: SASLCredentials, file: String) {
        let id = self.authentication.id
        let deadline = NIODeadline.now() + SessionAuthentication.refusalDelay
        self.context.state.passwordChecker.check(
            credentials, file: file, logger: self.context.logger, on: self.context.eventLoop
        ) { verdict in
            guard id == self.authentication.id, !self.isClosed else { return credentials.wipe() }
            switch verdict {
            case .accepted:
                self.accept(credentials, login: credentials.login, destination: nil)
            case .refused:
                credentials.wipe()
                self.refusedLookups += 1
                self.refuse(.invalidCredentials, user: credentials.user, wait: deadline - .now())
            case .unavailable:
                credentials.wipe()
                self.refuse(.authenticationUnavailable, user: credentials.user, wait: .zero)
            }
        }
    }
}

// MARK: Lookups

extension RelaySession {
    private func verify(_ credentials: SASLCredentials, lookup: LookupConfiguration, within time: TimeAmount) {
        let id = self.authentication.id
        let request = self.lookupRequest(credentials.lookupMethod, of: lookup)
        self.context.lookupClient(lookup).ask(request, deadline: .now() + time) { result in
            guard id == self.authentication.id, !self.isClosed else { return credentials.wipe() }
            self.lookupCompleted(result, credentials)
        }
    }

    private func lookupCompleted(_ result: Result<LookupVerdict, LookupError>, _ credentials: SASLCredentials) {
        switch result {
        case .success(.allowed(let allowed)):
            var login = credentials.login
            if let user = allowed.user { login.user = user }
            if let password = allowed.password { login.password = Secret(Array(password.utf8)) }
            self.accept(credentials, login: login, destination: .server(allowed.server, group: allowed.group))
        case .success(.denied(let denial)):
            credentials.wipe()
            self.refusedLookups += 1
            let reply = SMTPReply(denial.replyCode, denial.enhancedCode, denial.text)
            // As nginx: a denial without Auth-Wait closes the session. 421 says that it does (RFC 5321 section 3.8).
            let wait = denial.wait.map { TimeAmount.seconds(Int64($0)) }
            self.refuse(
                reply, user: credentials.user, wait: wait ?? .zero, closing: wait == nil || denial.replyCode == 421)
        case .failure(let error):
            credentials.wipe()
            self.context.logger.warning("lookup-failed client=\(self.client.name) error=\"\(error)\"")
            self.refuse(.authenticationUnavailable, user: credentials.user, wait: .zero)
        }
    }
}

// MARK: Verdicts

extension RelaySession {
    private func accept(_ credentials: SASLCredentials, login: ClientLogin, destination: Destination?) {
        self.client.login = login
        self.authentication.destination = destination
        // Backends may be told who the client is when a connection begins, and never again.
        self.leaveIdleBackend()
        let backend = destination.map { " backend=\($0.name)" } ?? ""
        self.context.logger.info(
            "authenticated client=\(self.client.name) user=\(TransactionLog.name(login.user)) \(credentials.logged)\(backend)"
        )
        self.server?.authenticationCompleted(.authenticated)
    }

    /// Says no after so long.
    private func refuse(_ reply: SMTPReply, user: String?, wait: TimeAmount, closing: Bool = false) {
        let name = user.map { " user=\(TransactionLog.name($0))" } ?? ""
        self.context.logger.info(
            "auth-refused client=\(self.client.name)\(name) reply=\(TransactionLog.value("\(reply)"))")
        guard wait > .zero, !closing else { return self.completeRefusal(reply, closing: closing) }
        let id = self.authentication.id
        self.context.eventLoop.assumeIsolated().scheduleTask(in: wait) {
            guard id == self.authentication.id, !self.isClosed else { return }
            self.completeRefusal(reply, closing: false)
        }
    }

    private func completeRefusal(_ reply: SMTPReply, closing: Bool) {
        self.server?.authenticationCompleted(reply, closing: closing)
    }
}

extension SASLCredentials {
    fileprivate var login: ClientLogin {
        switch self.proof {
        case .password(let password): ClientLogin(user: self.user, password: password)
        case .digest, .channel: ClientLogin(user: self.user, password: nil)
        }
    }

    /// `mechanism=PLAIN`, for the log.
    fileprivate var logged: String { "mechanism=\(self.mechanism.rawValue)" }

    /// As nginx's protocol has it, which has one word for PLAIN and LOGIN.
    fileprivate var lookupMethod: LookupRequest.Method {
        let user = Array(self.user.utf8)
        switch self.proof {
        case .password(let password): return .plain(user: user, password: password.copy)
        case .digest(let digest, challenge: let challenge):
            return .cramMD5(user: user, digest: digest.copy, salt: challenge)
        case .channel: return .external(user: user)
        }
    }
}

extension Secret {
    /// The octets themselves, for who has to send them on.
    fileprivate var copy: [UInt8] {
        self.withOctets { octets in
            var copy: [UInt8] = []
            copy.reserveCapacity(octets.count)
            for index in 0..<octets.count { copy.append(octets[index]) }
            return copy
        }
    }
}
