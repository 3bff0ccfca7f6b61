internal import BrokerCore
internal import BrokerIO

/// A broker, by the path of its socket.
struct Broker: Sendable {
    /// An absolute path, of 107 bytes at most.
    let path: String

    /// Connects, and says HELLO.
    func connect(until deadline: ContinuousClock.Instant) throws(ListenerError) -> BrokerSession {
        let path = Array(self.path.utf8)
        let connection: BrokerConnection
        do throws(SystemError) {
            connection = try BrokerConnection(to: path.span, milliseconds: milliseconds(until: deadline))
        } catch {
            throw ListenerError(connectingTo: self.path, error)
        }
        var session = BrokerSession(path: self.path, connection: connection)
        try session.greet(until: deadline)
        return session
    }

    /// The listeners of every name, and the lease on them; all or none.
    func obtain(
        _ names: [String], mode: Lease.Mode, wait: Duration, timeout: Duration
    ) throws(ListenerError) -> Listeners {
        let deadline = ContinuousClock.now + timeout
        var lease = Lease(try self.connect(until: deadline), mode: mode)
        var listeners = try lease.add(names, wait: wait, until: deadline)
        listeners.keep(lease)
        return listeners
    }
}

/// A connection to a broker, and what is said on it. What was granted on it is held for as long as it is open.
struct BrokerSession: ~Copyable {
    /// Where the broker's socket is.
    let path: String
    /// What the broker calls this run of its own; empty before HELLO was answered.
    private(set) var generation = ""
    private let connection: BrokerConnection

    /// Takes over a connection on which nothing has been said yet.
    init(path: String, connection: consuming BrokerConnection) {
        self.path = path
        self.connection = connection
    }

    /// The connection's descriptor, which the session goes on owning.
    var descriptor: CInt { self.connection.rawValue }

    /// Gives the connection up; the caller closes it.
    consuming func releaseDescriptor() -> CInt { self.connection.release() }

    /// HELLO: learns the generation.
    mutating func greet(until deadline: ContinuousClock.Instant) throws(ListenerError) {
        var request = RequestWriter("HELLO", tag: "hello")
        request.append("max", decimal: 1)
        let answer = try self.exchange(request, tag: "hello", "greet the broker \(self.path)", until: deadline)
        guard let generation = answer.grant.generation, answer.grant.count == 0 else {
            throw ListenerError(.badReply, "greet the broker \(self.path): a reply without generation=")
        }
        self.generation = answer.packet.string(generation)
    }

    /// GET: the listeners of every name, all or none. `deadline` is for the broker's own work, `wait` comes on top.
    borrowing func get(
        _ names: [String], mode: Lease.Mode, wait: Duration, until deadline: ContinuousClock.Instant
    ) throws(ListenerError) -> Listeners {
        var request = RequestWriter("GET", tag: "get")
        request.append(names: names)
        if mode == .exclusive { request.append("mode", "exclusive") }
        // (PB1's longest wait is a minute.)
        let wait = min(max(wait, .zero), .seconds(60))
        if wait > .zero { request.append("wait", decimal: Int((wait / .milliseconds(1)).rounded(.up))) }
        let asked = "get \(quoted(names)) from the broker \(self.path)"
        let answer = try self.exchange(request, tag: "get", asked, until: deadline + wait)
        return try answer.listeners(asked: names, from: .broker, asked)
    }

    /// RELEASE: ends the lease of each name; if one is not held here, of none.
    borrowing func release(_ names: [String], until deadline: ContinuousClock.Instant) throws(ListenerError) {
        var request = RequestWriter("RELEASE", tag: "release")
        request.append(names: names)
        _ = try self.exchange(
            request, tag: "release", "release \(quoted(names)) to the broker \(self.path)", until: deadline)
    }

    /// Sends a request, and reads the reply with that tag; fails unless its code is 200.
    private borrowing func exchange(
        _ request: RequestWriter, tag: StaticString, _ asked: String, until deadline: ContinuousClock.Instant
    ) throws(ListenerError) -> Answer {
        let text = request.text.storage.span.extracting(first: request.text.count)
        let packet: ReceivedPacket
        do throws(ExchangeError) {
            packet = try self.connection.exchange(
                text, with: DescriptorList(), milliseconds: milliseconds(until: deadline))
        } catch {
            throw ListenerError(asked, error)
        }
        let answer = try Answer(packet, tag: tag, asked)
        guard answer.grant.code == 200 else {
            let reason = answer.grant.reason.map { answer.packet.string($0) } ?? "it gave no reason"
            throw ListenerError(asked, replyCode: answer.grant.code, reason)
        }
        return answer
    }
}

extension RequestWriter {
    /// Writes a line for each name.
    fileprivate mutating func append(names: [String]) {
        for name in names {
            let bytes = Array(name.utf8)
            self.append("name", bytes.span, TextRange(0, bytes.count))
        }
    }
}

/// What is left until `deadline`, one millisecond at least.
private func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
    Int32(min(max((deadline - .now) / .milliseconds(1), 1), 86_400_000))
}
