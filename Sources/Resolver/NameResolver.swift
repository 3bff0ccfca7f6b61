package import NIOCore

/// Finds the names of clients, and the addresses of names, in the DNS.
///
/// Confined to its event loop: make one for each, and call it there only. Answers are kept for their TTL; the same
/// question of several clients at one time is asked once.
package final class NameResolver {
    /// The loop on which everything happens.
    package let eventLoop: any EventLoop
    /// Whom to ask, and within which bounds.
    package let configuration: ResolverConfiguration

    private var cache: [Question: (outcome: Outcome, expiry: NIODeadline)] = [:]
    private var exchanges: [Question: (exchange: DNSExchange, waiting: [ResolverTicket])] = [:]
    /// The answers that are kept.
    var cacheCount: Int { self.cache.count }

    struct Question: Hashable {
        /// In lower case.
        var name: String
        var type: DNSReply.RecordType
    }

    enum Outcome: Equatable {
        /// They hold until then.
        case records([DNSReply.Record], until: NIODeadline)
        /// There is no such name, or nothing of the type.
        case absent(until: NIODeadline)
        case failed

        var isAbsent: Bool { if case .absent = self { true } else { false } }
    }

    /// Makes a resolver; it asks when it is first asked.
    package init(eventLoop: any EventLoop, configuration: ResolverConfiguration) {
        self.eventLoop = eventLoop
        self.configuration = configuration
    }

    /// Finds the name of an address that leads back to it, and calls `completion` once, on the event loop, never before
    /// this returns, and not at all once the ticket is given up.
    ///
    /// As in nginx, the first PTR record counts. An address of a Unix socket is ``ConfirmedName/failed``, as there.
    package func confirmName(
        of address: SocketAddress, completion: @escaping (ConfirmedName) -> Void
    ) -> ResolverTicket {
        let ticket = self.makeTicket { completion(.failed) }
        guard let reverse = address.reverseName else {
            self.later(ticket) { completion(.failed) }
            return ticket
        }
        self.ask(Question(name: reverse, type: .pointer), ticket) { outcome in
            switch outcome {
            case .failed: return self.end(ticket) { completion(.failed) }
            case .absent: return self.end(ticket) { completion(.none) }
            case .records(let records, _):
                guard case .pointer(let name)? = records.first, let name else {
                    return self.end(ticket) { completion(.failed) }
                }
                self.confirm(name, address, ticket, completion)
            }
        }
        return ticket
    }

    /// Finds the addresses of a host name, at most ``longestList`` of them, IPv4 before IPv6, with `port`; none where
    /// the name has none. Nil where nobody could say. `completion` is called as ``confirmName(of:completion:)`` does.
    package func addresses(
        of name: String, port: Int, completion: @escaping ([SocketAddress]?) -> Void
    ) -> ResolverTicket {
        let ticket = self.makeTicket { completion(nil) }
        guard Self.isHostName(name) else {
            self.later(ticket) { completion(nil) }
            return ticket
        }
        let name = name.lowercased()
        self.ask(Question(name: name, type: .address), ticket) { first in
            if let found = first.addresses(port), !found.isEmpty { return self.end(ticket) { completion(found) } }
            self.ask(Question(name: name, type: .address6), ticket) { second in
                let found = second.addresses(port)
                // An error for one family hides whether there is an address: only two absences are one.
                let isKnown = found.map { !$0.isEmpty || first.isAbsent } ?? false
                self.end(ticket) { completion(isKnown ? found : nil) }
            }
        }
        return ticket
    }

    /// The most addresses that are given for a name.
    package static let longestList = 16

    /// Ends what is under way; nobody is called any more.
    package func shutDown() {
        self.eventLoop.preconditionInEventLoop()
        let exchanges = self.exchanges.values
        self.exchanges = [:]
        for entry in exchanges {
            entry.exchange.giveUp()
            for ticket in entry.waiting { ticket.giveUp() }
        }
        self.cache = [:]
    }
}

/// What the DNS says of a client's name.
package enum ConfirmedName: Equatable, Sendable {
    /// The name of the address, which leads back to the address. Letters, digits, `-` and `.` alone.
    case name(String)
    /// The address has no name, or its name does not lead back to it.
    case none
    /// Nobody could say, or the name is not a host's.
    case failed
}

/// Somebody who waits for a ``NameResolver``; confined to its event loop.
package final class ResolverTicket {
    fileprivate var limit: Scheduled<Void>?
    fileprivate var isOver = false
    fileprivate var question: NameResolver.Question?
    fileprivate var answered: ((NameResolver.Outcome) -> Void)?
    fileprivate weak var resolver: NameResolver?

    fileprivate init() {}

    /// Waits no longer: whoever asked is not called any more.
    package func giveUp() {
        guard !self.isOver else { return }
        self.isOver = true
        self.limit?.cancel()
        self.answered = nil
        self.resolver?.left(self)
    }
}

extension NameResolver {
    func makeTicket(timedOut: @escaping () -> Void) -> ResolverTicket {
        self.eventLoop.preconditionInEventLoop()
        let ticket = ResolverTicket()
        ticket.resolver = self
        ticket.limit = self.eventLoop.assumeIsolated().scheduleTask(in: self.configuration.timeout) {
            guard !ticket.isOver else { return }
            ticket.giveUp()
            timedOut()
        }
        return ticket
    }

    func later(_ ticket: ResolverTicket, _ body: @escaping () -> Void) {
        self.eventLoop.assumeIsolated().execute { self.end(ticket, body) }
    }

    func end(_ ticket: ResolverTicket, _ body: () -> Void) {
        guard !ticket.isOver else { return }
        ticket.isOver = true
        ticket.limit?.cancel()
        body()
    }

    /// nginx looks up both families; only the client's own can have its address in it.
    private func confirm(
        _ name: String, _ address: SocketAddress, _ ticket: ResolverTicket,
        _ completion: @escaping (ConfirmedName) -> Void
    ) {
        guard Self.isHostName(name) else { return self.end(ticket) { completion(.failed) } }
        let octets = address.ipOctets
        let type: DNSReply.RecordType = octets.count == 4 ? .address : .address6
        self.ask(Question(name: name.lowercased(), type: type), ticket) { outcome in
            switch outcome {
            case .failed: self.end(ticket) { completion(.failed) }
            case .absent: self.end(ticket) { completion(.none) }
            case .records(let records, _):
                let leadsBack = records.contains(.address(octets))
                self.end(ticket) { completion(leadsBack ? .name(name) : .none) }
            }
        }
    }

    /// Calls `answered` on the event loop, never before this returns.
    func ask(_ question: Question, _ ticket: ResolverTicket, _ answered: @escaping (Outcome) -> Void) {
        guard !ticket.isOver else { return }
        if let kept = self.cache[question] {
            if kept.expiry > self.eventLoop.now {
                self.eventLoop.assumeIsolated().execute { if !ticket.isOver { answered(kept.outcome) } }
                return
            }
            self.cache[question] = nil
        }
        ticket.question = question
        ticket.answered = answered
        guard self.exchanges[question] == nil else {
            self.exchanges[question]?.waiting.append(ticket)
            return
        }
        let exchange = DNSExchange(eventLoop: self.eventLoop, type: question.type)
        self.exchanges[question] = (exchange, [ticket])
        exchange.start(question.name, configuration: self.configuration) { outcome in
            guard let entry = self.exchanges.removeValue(forKey: question) else { return }
            let outcome = self.keep(outcome, question)
            for ticket in entry.waiting where !ticket.isOver {
                let answered = ticket.answered
                ticket.question = nil
                ticket.answered = nil
                answered?(outcome)
            }
        }
    }

    private func keep(_ outcome: DNSExchange.Outcome, _ question: Question) -> Outcome {
        // A failure is kept for nobody: the next client may have better luck.
        guard case .reply(let reply) = outcome else { return .failed }
        let isAbsent = reply.records.isEmpty
        let longest = isAbsent ? self.configuration.maximumNegativeTTL : self.configuration.maximumTTL
        let ttl = min(.seconds(Int64(reply.ttl)), longest)
        let expiry = self.eventLoop.now + ttl
        let outcome = isAbsent ? Outcome.absent(until: expiry) : .records(reply.records, until: expiry)
        // Who gives his name a thousand addresses may have them looked up each time.
        guard ttl > .nanoseconds(0), reply.records.count <= 64 else { return outcome }
        if self.cache.count >= self.configuration.maximumCacheEntries { self.cache.remove(at: self.cache.startIndex) }
        self.cache[question] = (outcome, expiry)
        return outcome
    }

    /// The last one who waits takes the question along.
    fileprivate func left(_ ticket: ResolverTicket) {
        guard let question = ticket.question, var entry = self.exchanges[question] else { return }
        entry.waiting.removeAll { $0 === ticket }
        if entry.waiting.isEmpty {
            self.exchanges[question] = nil
            entry.exchange.giveUp()
        } else {
            self.exchanges[question] = entry
        }
    }

    /// Letters, digits, `-`, `_` and `.`, nothing that c-ares would take for an escape.
    static func isHostName(_ name: String) -> Bool {
        (1...253).contains(name.utf8.count)
            && name.utf8.allSatisfy { octet in
                switch octet {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default:
                    false
                }
            }
    }
}

extension NameResolver.Outcome {
    /// The addresses, none where there are none; nil for a failure.
    fileprivate func addresses(_ port: Int) -> [SocketAddress]? {
        switch self {
        case .failed: nil
        case .absent: []
        case .records(let records, _):
            records.prefix(NameResolver.longestList).compactMap { record in
                guard case .address(let octets) = record else { return nil }
                return try? SocketAddress(packedIPAddress: ByteBuffer(bytes: octets), port: port)
            }
        }
    }
}
