import NIOCore
import Resolver
import Routing

/// One round of questions about a backend's name: /etc/hosts first, then the DNS. Confined to its event loop.
final class NameAsking {
    /// Whom to ask, and what this machine knows itself.
    struct Sources {
        let resolver: NameResolver
        let hosts: HostsFile
        /// Where short names are looked for; nil where the configuration says whom to ask, and names are whole.
        let search: ResolverFile?

        /// How long what /etc/hosts says is taken as it is.
        static let hostsTTL = TimeAmount.seconds(5)
    }

    private let sources: Sources
    private let eventLoop: any EventLoop
    private var round = NameRound()
    private var open = 0
    private var tickets: [ResolverTicket] = []
    private var completion: ((NameRound) -> Void)?

    init(_ sources: Sources, on eventLoop: any EventLoop) {
        self.sources = sources
        self.eventLoop = eventLoop
    }

    /// Asks; `completion` is called once, on the event loop, never before this returns, and not at all after ``giveUp()``.
    func ask(_ backend: BackendAddress, completion: @escaping (NameRound) -> Void) {
        self.completion = completion
        self.open = 1
        switch backend {
        case .host(let name, _):
            self.ask(host: name)
        case .service(let name):
            self.open += 1
            self.tickets.append(self.sources.resolver.services(of: name) { self.answered($0) })
        case .ip, .unix:
            break
        }
        self.eventLoop.assumeIsolated().execute { self.close() }
    }

    /// Nobody waits for the answer any more.
    func giveUp() {
        self.completion = nil
        for ticket in self.tickets { ticket.giveUp() }
        self.tickets = []
    }

    private func answered(_ services: NameAnswer<ServiceRecord>) {
        self.round.services = services
        if case .found(let records, _) = services {
            for target in Set(records.compactMap(\.target)) { self.ask(host: target, isWhole: true) }
        }
        self.close()
    }

    /// - Parameter isWhole: the name is one of the DNS's own, which nothing is added to.
    private func ask(host name: String, isWhole: Bool = false) {
        let known = self.sources.hosts.addresses(of: name)
        guard known.isEmpty else {
            let expiry = self.eventLoop.now + Sources.hostsTTL
            let answer = { (size: Int) -> NameAnswer<[UInt8]> in
                let octets = known.filter { $0.count == size }
                return octets.isEmpty ? .absent(until: expiry) : .found(octets, until: expiry)
            }
            self.round.hosts[name] = .init(v4: answer(4), v6: answer(16))
            return
        }
        self.open += 1
        let candidates = isWhole ? [name] : self.sources.search?.candidates(for: name) ?? [name]
        self.ask(candidates[...]) { host in
            self.round.hosts[name] = host
            self.close()
        }
    }

    /// Asks for one full name after the other, until one has an address or nobody can say.
    private func ask(_ candidates: ArraySlice<String>, completion: @escaping (NameRound.Host) -> Void) {
        guard let name = candidates.first else { return completion(.init(v4: .failed, v6: .failed)) }
        var v4: NameAnswer<[UInt8]>?
        var v6: NameAnswer<[UInt8]>?
        let finish = {
            guard let v4, let v6 else { return }
            if case (.absent, .absent) = (v4, v6), candidates.count > 1 {
                return self.ask(candidates.dropFirst(), completion: completion)
            }
            completion(.init(v4: v4, v6: v6))
        }
        self.tickets.append(
            self.sources.resolver.addresses(of: name, family: .v4) {
                v4 = $0
                finish()
            })
        self.tickets.append(
            self.sources.resolver.addresses(of: name, family: .v6) {
                v6 = $0
                finish()
            })
    }

    /// One of what is under way has ended.
    private func close() {
        self.open -= 1
        guard self.open == 0, let completion = self.completion else { return }
        self.completion = nil
        self.tickets = []
        completion(self.round)
    }
}
