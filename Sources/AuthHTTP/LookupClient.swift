package import NIOCore
import NIOPosix

/// Asks lookups over a small pool of keep-alive connections.
///
/// Confined to its event loop: make one for each, and call it there only. It owns its connections until
/// ``shutDown()``, which has to be called before it is let go.
package final class LookupClient {
    /// The loop on which everything happens.
    package let eventLoop: any EventLoop
    /// Whom to ask, and within which bounds.
    package let configuration: LookupConfiguration

    private let environment: LookupEnvironment
    private var servers: [Server]
    /// Every connection, in no order.
    private var connections: [LookupConnection] = []
    /// The idle ones; the last one used is the first one asked, so that the others can go.
    private var idle: [LookupConnection] = []
    /// Questions that the server has put off.
    private var waiting: [ObjectIdentifier: (question: LookupQuestion, timer: Scheduled<Void>)] = [:]
    /// The one timer, for the earliest expiry among the connections or earlier: a timer for each question would cost
    /// more than the rest of it.
    private var sweep: (at: NIODeadline, timer: Scheduled<Void>)?
    private var isShutDown = false

    /// One of the configuration's endpoints.
    private struct Server {
        let endpoint: LookupEndpoint
        let target: LookupTarget
        /// An IP address or a Unix socket needs no resolver; a name is resolved for each connection.
        let address: SocketAddress?
        /// It failed: until then it is asked after the others.
        var passedOverUntil = NIODeadline.distantPast
        /// Nil before it is first needed: it costs milliseconds, and reads files.
        var tls: LookupTLS?

        init(_ endpoint: LookupEndpoint, _ configuration: LookupConfiguration) {
            self.endpoint = endpoint
            self.target = LookupTarget(configuration, endpoint)
            self.address =
                if let path = endpoint.socketPath {
                    try? SocketAddress(unixDomainSocketPath: path)
                } else {
                    try? SocketAddress(ipAddress: endpoint.host, port: Int(endpoint.port))
                }
        }
    }

    /// Makes a client; it connects when it is first asked.
    ///
    /// - Parameter environment: nil is the system's resolver, and no objection to any server.
    package init(
        eventLoop: any EventLoop, configuration: LookupConfiguration, environment: LookupEnvironment? = nil
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.environment = environment ?? .system(on: eventLoop)
        self.servers = configuration.endpoints.map { Server($0, configuration) }
    }

    /// The connections that are open, or being opened, for metrics.
    package var connectionCount: Int { self.connections.count }

    /// Asks, and calls `completion` once, on the event loop, and never before this returns.
    ///
    /// `deadline` bounds the whole with its waits; each try within it has ``LookupConfiguration/timeout``. A question
    /// cannot be taken back: the completion of a session that is over should do nothing.
    package func ask(
        _ request: LookupRequest,
        deadline: NIODeadline,
        completion: @escaping (Result<LookupVerdict, LookupError>) -> Void
    ) {
        self.eventLoop.preconditionInEventLoop()
        let question = LookupQuestion(
            request, deadline: deadline, waitBudget: self.configuration.waitBudget, completion: completion)
        guard !self.isShutDown, deadline > self.eventLoop.now else {
            let error = self.error(self.isShutDown ? .shutDown : .timedOut)
            self.eventLoop.assumeIsolated().execute { question.complete(.failure(error)) }
            return
        }
        if let error = self.begin(question) {
            self.eventLoop.assumeIsolated().execute { question.complete(.failure(error)) }
        }
    }

    /// Closes every connection; questions under way fail with ``LookupError/Code/shutDown``.
    package func shutDown() {
        self.eventLoop.preconditionInEventLoop()
        self.isShutDown = true
        self.sweep?.timer.cancel()
        self.sweep = nil
        for connection in self.connections { connection.shutDown() }
        let waiting = self.waiting.values
        self.waiting = [:]
        for (question, timer) in waiting {
            timer.cancel()
            question.complete(.failure(self.error(.shutDown)))
        }
    }
}

extension LookupClient {
    /// Asks the servers in their order. Returns why that cannot be.
    private func begin(_ question: LookupQuestion) -> LookupError? {
        question.tried = []
        guard let index = self.nextServer(question) else { return self.error(.closed, question) }
        return self.ask(index, question)
    }

    /// The first server that has not been asked, those that failed lately behind the others.
    private func nextServer(_ question: LookupQuestion) -> Int? {
        let rest = self.servers.indices.lazy.filter { !question.tried.contains($0) }
        let now = self.eventLoop.now
        return rest.first { self.servers[$0].passedOverUntil <= now } ?? rest.first
    }

    private func ask(_ index: Int, _ question: LookupQuestion) -> LookupError? {
        question.endpoint = index
        do {
            question.octets = try question.request.encode(to: self.servers[index].target)
        } catch {
            return error
        }
        question.tryDeadline = min(self.eventLoop.now + self.configuration.timeout, question.deadline)
        while let place = self.idle.lastIndex(where: { $0.endpoint == index }) {
            let connection = self.idle.remove(at: place)
            guard connection.isIdle else { continue }
            connection.ask(question)
            self.expect(connection.expiry)
            return nil
        }
        self.connect(for: question)
        return nil
    }

    /// Asks the next server; false where there is none, or no time.
    private func failOver(_ question: LookupQuestion) -> Bool {
        question.tried.append(question.endpoint)
        guard !self.isShutDown, self.eventLoop.now < question.deadline, let index = self.nextServer(question) else {
            return false
        }
        if let error = self.ask(index, question) { question.complete(.failure(error)) }
        return true
    }

    private func connect(for question: LookupQuestion) {
        let connection = LookupConnection(
            for: question, owner: self, configuration: self.configuration, flushes: self.environment.flushes)
        connection.position = self.connections.count
        self.connections.append(connection)
        self.expect(connection.expiry)

        let server = self.servers[question.endpoint]
        let tls: LookupTLS?
        do {
            tls = try self.tls(of: question.endpoint)
        } catch {
            self.eventLoop.assumeIsolated().execute { connection.connectFailed(.refused, "\(error)") }
            return
        }
        let bootstrap = ClientBootstrap(group: self.eventLoop)
            .connectTimeout(max(.nanoseconds(1), question.tryDeadline - self.eventLoop.now))
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
        let endpoint = server.endpoint
        let tcp = bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
        let connected =
            switch server.address {
            case .unixDomainSocket?: bootstrap.connect(unixDomainSocketPath: endpoint.socketPath ?? "")
            case let address?: tcp.connect(to: address)
            case nil: tcp.connect(host: endpoint.host, port: Int(endpoint.port))
            }
        connected.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel):
                connection.opened(channel, tls)
            case .failure(ChannelError.connectTimeout):
                connection.connectFailed(.timedOut, "connect: timed out")
            case .failure(let error):
                connection.connectFailed(.refused, "connect: \(error)")
            }
        }
    }

    private func tls(of index: Int) throws -> LookupTLS? {
        guard self.servers[index].endpoint.isSecure else { return nil }
        if let tls = self.servers[index].tls { return tls }
        let tls = try LookupTLS(
            trusted: self.configuration.trustedCertificates, host: self.servers[index].endpoint.host)
        self.servers[index].tls = tls
        return tls
    }

    /// Makes sure that the sweep comes at `expiry` or before.
    private func expect(_ expiry: NIODeadline) {
        if let sweep = self.sweep {
            guard expiry < sweep.at else { return }
            sweep.timer.cancel()
        }
        let timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: expiry) { self.sweepNow() }
        self.sweep = (expiry, timer)
    }

    private func sweepNow() {
        self.sweep = nil
        let now = self.eventLoop.now
        // A copy: what expires leaves the list.
        for connection in self.connections where connection.expiry <= now { connection.expired() }
        if let next = self.connections.lazy.map(\.expiry).min(), next < .distantFuture { self.expect(next) }
    }

    /// Asks once more when the server's wait is over, unless that would be too late.
    private func putOff(_ question: LookupQuestion, seconds: Int) {
        let wait = TimeAmount.seconds(Int64(seconds))
        let retry = self.eventLoop.now + wait
        guard !self.isShutDown, wait <= question.waitBudget, retry < question.deadline else {
            question.complete(.failure(self.error(self.isShutDown ? .shutDown : .waitedTooLong, question)))
            return
        }
        question.waitBudget = question.waitBudget - wait
        let key = ObjectIdentifier(question)
        let timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: retry) {
            guard self.waiting.removeValue(forKey: key) != nil else { return }
            if let error = self.begin(question) { question.complete(.failure(error)) }
        }
        self.waiting[key] = (question, timer)
    }

    /// Finds the address of the server that the answer names, and checks it.
    private func resolve(_ named: LookupAnswer.Named, for question: LookupQuestion) {
        let name = "\(named.host):\(named.port)"
        let deadline = min(self.eventLoop.now + self.configuration.timeout, question.deadline)
        let timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            question.complete(
                .failure(self.error(.unknownServer, question, "Auth-Server \(name): resolving timed out")))
        }
        self.environment.resolve(named.host, named.port) { addresses in
            timer.cancel()
            guard let address = addresses?.first else {
                let why = addresses == nil ? "cannot be resolved now" : "has no address"
                return question.complete(
                    .failure(self.error(.unknownServer, question, "Auth-Server \(name) \(why)")))
            }
            self.allow(named.at(address), for: question)
        }
    }

    /// Whatever the answer says, some servers are not to be connected to.
    private func allow(_ allowed: LookupAnswer.Allowed, for question: LookupQuestion) {
        let server = allowed.server
        let isAllowed = self.configuration.allow.map { $0.contains { $0.contains(server) } } ?? true
        let objection = isAllowed ? self.environment.objection(server) : "which lookup.allow does not have"
        guard let objection else { return question.complete(.success(.allowed(allowed))) }
        let name = server.pathname.map { "unix:\($0)" } ?? "\(server.ipAddress ?? "?"):\(server.port ?? 0)"
        question.complete(.failure(self.error(.forbiddenServer, question, "it names \(name), \(objection)")))
    }

    private func error(
        _ code: LookupError.Code, _ question: LookupQuestion? = nil, _ detail: String? = nil
    ) -> LookupError {
        let place = self.servers[question?.endpoint ?? 0].endpoint.place
        return LookupError(code, "lookup at \(place): \(detail ?? code.description)")
    }
}

extension LookupClient: LookupConnectionOwner {
    func connectionReleased(_ connection: LookupConnection) {
        guard self.idle.count < self.configuration.maximumIdleConnections, !self.isShutDown else {
            connection.shutDown()
            return
        }
        connection.expiry = self.eventLoop.now + self.configuration.idleTimeout
        self.idle.append(connection)
    }

    func connectionClosed(_ connection: LookupConnection) {
        let position = connection.position
        guard position < self.connections.count, self.connections[position] === connection else { return }
        let last = self.connections.removeLast()
        if last !== connection {
            self.connections[position] = last
            last.position = position
        }
        self.idle.removeAll { $0 === connection }
    }

    func connection(_ connection: LookupConnection, answered question: LookupQuestion, _ answer: LookupAnswer) {
        switch answer {
        case .allowed(let allowed): self.allow(allowed, for: question)
        case .named(let named): self.resolve(named, for: question)
        case .denied(let denial): question.complete(.success(.denied(denial)))
        case .wait(let seconds): self.putOff(question, seconds: seconds)
        case .invalid(let reason):
            // It is no reason to pass the server over, which may have good answers to other questions.
            guard !self.failOver(question) else { return }
            question.complete(.failure(self.error(.malformed, question, reason)))
        }
    }

    func connection(_ connection: LookupConnection, failed question: LookupQuestion, _ code: LookupError.Code) {
        // Who gave the question little time says nothing about the server.
        if code != .shutDown, self.eventLoop.now < question.deadline {
            self.servers[connection.endpoint].passedOverUntil = self.eventLoop.now + self.configuration.retryTime
        }
        guard !self.failOver(question) else { return }
        question.complete(.failure(self.error(code, question, connection.connectErrorDetail)))
    }

    func connection(_ connection: LookupConnection, rejected question: LookupQuestion) {
        guard !self.isShutDown else {
            question.complete(.failure(self.error(.shutDown, question)))
            return
        }
        self.connect(for: question)
    }
}
