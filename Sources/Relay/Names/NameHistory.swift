import NIOCore
import Resolver
import Routing

/// What one round of questions about a backend's name has brought.
struct NameRound {
    /// The addresses of one host.
    struct Host {
        var v4: NameAnswer<[UInt8]>
        var v6: NameAnswer<[UInt8]>
    }

    /// Of the SRV records; nil for a host.
    var services: NameAnswer<ServiceRecord>?
    /// By their names; of a service's targets one may be missing only where nobody could say.
    var hosts: [String: Host] = [:]
}

/// What is known of one backend's name, and what a round of questions makes of it: a value, without a clock and without
/// I/O.
///
/// What was good stays good until something better is known: an address leaves because the DNS has others, not because it
/// could not be asked (RFC 8767).
struct NameHistory {
    /// What a round has changed.
    enum Change: Equatable {
        /// Everything is as before.
        case none
        /// These are the places now.
        case places
        /// The last ones stay, or there have never been any.
        case kept(Trouble)
        /// The last ones are too old to stay, or the domain says that it does not have the service.
        case dropped(Trouble)
    }

    /// Why a round has brought nothing.
    enum Trouble: String, Error {
        /// Nobody could say.
        case unanswered = "the DNS servers do not answer"
        /// The name does not exist, or has no address.
        case nothing = "it has no address"
        /// The target of its SRV record is the root.
        case notAvailable = "its SRV record says that there is no such service"
    }

    let backend: BackendAddress
    var bounds: NameBounds
    /// In the order of their priorities.
    private(set) var places: [ResolvedPlace] = []
    /// When the next round is due.
    private(set) var next = NIODeadline.uptimeNanoseconds(0)
    private var staleAt = NIODeadline.uptimeNanoseconds(0)
    private var failures = 0

    init(_ backend: BackendAddress, _ bounds: NameBounds) {
        self.backend = backend
        self.bounds = bounds
    }

    /// Takes what a round has brought.
    mutating func take(_ round: NameRound, now: NIODeadline) -> Change {
        var expiries: [NIODeadline] = []
        var isIncomplete = false
        let found: Result<[ResolvedPlace], Trouble>
        switch (self.backend, round.services) {
        case (.host(let name, let port), _):
            let record = ServiceRecord(priority: 0, weight: 1, port: port, target: name)
            found = self.places(of: [record], round, &expiries, &isIncomplete)
        case (.service, .found(let records, let expiry)?):
            if records.allSatisfy({ $0.target == nil }) {
                found = .failure(.notAvailable)
            } else {
                found = self.places(of: records.filter { $0.target != nil }, round, &expiries, &isIncomplete)
            }
            expiries.append(expiry)
        case (.service, .absent(let expiry)?):
            found = .failure(.nothing)
            expiries.append(expiry)
        case (.service, .failed?), (.service, nil), (.ip, _), (.unix, _):
            found = .failure(.unanswered)
            isIncomplete = true
        }
        self.failures = isIncomplete ? self.failures + 1 : 0
        self.next = now + self.wait(until: expiries.min(), now, isIncomplete)
        return self.conclude(found, now)
    }

    private mutating func conclude(_ found: Result<[ResolvedPlace], Trouble>, _ now: NIODeadline) -> Change {
        switch found {
        case .success(let places):
            self.staleAt = now + self.bounds.stale
            guard places != self.places else { return .none }
            self.places = places
            return .places
        case .failure(let trouble):
            guard !self.places.isEmpty, trouble == .notAvailable || now >= self.staleAt else { return .kept(trouble) }
            self.places = []
            return .dropped(trouble)
        }
    }

    /// A round is due when the first record ends, but not at every moment; sooner where it could not be finished.
    private func wait(until expiry: NIODeadline?, _ now: NIODeadline, _ isIncomplete: Bool) -> TimeAmount {
        let wait = min(max(expiry.map { $0 - now } ?? self.bounds.least, self.bounds.least), self.bounds.longest)
        guard isIncomplete else { return wait }
        let backOff = TimeAmount.nanoseconds(self.bounds.least.nanoseconds << min(self.failures - 1, 10))
        return min(backOff, self.bounds.retry, self.bounds.longest)
    }

    /// The places of hosts, lowest priority first, each address and port once.
    private func places(
        of records: [ServiceRecord], _ round: NameRound, _ expiries: inout [NIODeadline], _ isIncomplete: inout Bool
    ) -> Result<[ResolvedPlace], Trouble> {
        var places: [ResolvedPlace] = []
        var seen: Set<BackendAddress> = []
        var absences: [NIODeadline] = []
        let byPriority = Dictionary(grouping: records, by: \.priority)
        for priority in byPriority.keys.sorted() {
            let records = (byPriority[priority] ?? []).sorted { $0.order < $1.order }
            for (record, weight) in zip(records, ResolvedPlace.weights(records.map(\.weight))) {
                guard let host = record.target else { continue }
                let answers = round.hosts[host] ?? .init(v4: .failed, v6: .failed)
                for (answer, isV6) in [(answers.v4, false), (answers.v6, true)] {
                    var addresses: [IPAddress] = []
                    switch answer {
                    case .found(let octets, let expiry):
                        // Servers turn their lists at every answer: that is no change.
                        addresses = octets.sorted { $0.lexicographicallyPrecedes($1) }
                            .compactMap { IPAddress(octets: $0) }
                        expiries.append(expiry)
                    case .absent(let expiry):
                        absences.append(expiry)
                    case .failed:
                        isIncomplete = true
                        addresses = self.known(host, isV6: isV6)
                    }
                    for address in addresses {
                        let place = ResolvedPlace(
                            address, port: record.port, host: host, priority: priority, weight: weight)
                        if places.count < Self.longestList, seen.insert(place.backend).inserted { places.append(place) }
                    }
                }
            }
        }
        // How long nothing is known of one family is of no interest beside what is known of the other.
        if expiries.isEmpty { expiries = absences }
        if places.isEmpty { return .failure(isIncomplete ? .unanswered : .nothing) }
        // Nothing but what was known before is no answer: it grows old.
        let isAnswered = round.hosts.values.contains { $0.isAnswered }
        return isAnswered ? .success(places) : .failure(.unanswered)
    }

    /// The addresses that a host had when it was last heard of.
    private func known(_ host: String, isV6: Bool) -> [IPAddress] {
        var known: [IPAddress] = []
        for place in self.places where place.host == host && !known.contains(place.address) {
            let isOther = if case .v6 = place.address { !isV6 } else { isV6 }
            if !isOther { known.append(place.address) }
        }
        return known
    }

    /// The most places of one name.
    static let longestList = 64
}

extension NameRound.Host {
    /// Whether one of its questions had an answer with an address.
    fileprivate var isAnswered: Bool {
        if case .found = self.v4 { return true }
        if case .found = self.v6 { return true }
        return false
    }
}

extension ServiceRecord {
    /// In which order records of one priority are taken: the heaviest first.
    fileprivate var order: (Int, String, UInt16) { (-Int(self.weight), self.target ?? "", self.port) }
}
