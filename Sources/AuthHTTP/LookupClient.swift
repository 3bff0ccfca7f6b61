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

    private let target: LookupTarget
    /// An IP address needs no resolver; a name is resolved for each connection.
    private let address: SocketAddress?
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

    /// Makes a client; it connects when it is first asked.
    package init(eventLoop: any EventLoop, configuration: LookupConfiguration) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.target = LookupTarget(configuration)
        self.address = try? SocketAddress(
            ipAddress: configuration.endpoint.host, port: Int(configuration.endpoint.port))
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
        do {
            let octets = try request.encode(to: self.target)
            let question = LookupQuestion(
                octets: octets, deadline: deadline, tryDeadline: deadline, waitBudget: self.configuration.waitBudget,
                completion: completion)
            guard !self.isShutDown, deadline > self.eventLoop.now else {
                let error = self.error(self.isShutDown ? .shutDown : .timedOut)
                self.eventLoop.assumeIsolated().execute { question.complete(.failure(error)) }
                return
            }
            self.begin(question)
        } catch {
            self.eventLoop.assumeIsolated().execute { completion(.failure(error)) }
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
    private func begin(_ question: LookupQuestion) {
        question.tryDeadline = min(self.eventLoop.now + self.configuration.timeout, question.deadline)
        while let connection = self.idle.popLast() {
            guard connection.isIdle else { continue }
            connection.ask(question)
            self.expect(connection.expiry)
            return
        }
        self.connect(for: question)
    }

    private func connect(for question: LookupQuestion) {
        let connection = LookupConnection(for: question, owner: self, configuration: self.configuration)
        connection.position = self.connections.count
        self.connections.append(connection)
        self.expect(connection.expiry)

        let bootstrap = ClientBootstrap(group: self.eventLoop)
            .connectTimeout(max(.nanoseconds(1), question.tryDeadline - self.eventLoop.now))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
        let endpoint = self.configuration.endpoint
        let connected =
            self.address.map { bootstrap.connect(to: $0) }
            ?? bootstrap.connect(host: endpoint.host, port: Int(endpoint.port))
        connected.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel):
                connection.opened(channel)
            case .failure(ChannelError.connectTimeout):
                connection.connectFailed(.timedOut, "connect: timed out")
            case .failure(let error):
                connection.connectFailed(.refused, "connect: \(error)")
            }
        }
    }

    /// Makes sure that the sweep comes at `expiry` or before.
    private func expect(_ expiry: NIODeadline) {
        if let sweep = self.sweep {
            guard expiry < sweep.at else { return }
            sweep.timer.cancel()
        }
        let timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: expiry) { [weak self] in
            guard let self else { return }
            self.sweepNow()
        }
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
            question.complete(.failure(self.error(self.isShutDown ? .shutDown : .waitedTooLong)))
            return
        }
        question.waitBudget = question.waitBudget - wait
        let key = ObjectIdentifier(question)
        let timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: retry) { [weak self] in
            guard let self, self.waiting.removeValue(forKey: key) != nil else { return }
            self.begin(question)
        }
        self.waiting[key] = (question, timer)
    }

    private func error(_ code: LookupError.Code, _ detail: String? = nil) -> LookupError {
        let endpoint = self.configuration.endpoint
        return LookupError(code, "lookup at \(endpoint.host):\(endpoint.port): \(detail ?? code.description)")
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
        case .allowed(let allowed): question.complete(.success(.allowed(allowed)))
        case .denied(let denial): question.complete(.success(.denied(denial)))
        case .wait(let seconds): self.putOff(question, seconds: seconds)
        case .invalid(let reason): question.complete(.failure(self.error(.malformed, reason)))
        }
    }

    func connection(_ connection: LookupConnection, failed question: LookupQuestion, _ code: LookupError.Code) {
        question.complete(.failure(self.error(code, connection.connectErrorDetail)))
    }

    func connection(_ connection: LookupConnection, rejected question: LookupQuestion) {
        guard !self.isShutDown else {
            question.complete(.failure(self.error(.shutDown)))
            return
        }
        self.connect(for: question)
    }
}
