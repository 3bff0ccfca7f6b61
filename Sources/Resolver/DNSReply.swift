/// What a DNS server's reply says about one name: the records of one type, behind whatever aliases.
///
/// The octets are a stranger's. Identifier and question have been compared with ours by c-ares; all else is checked here,
/// in memory-safe code.
struct DNSReply: Equatable, Sendable {
    /// The types that are asked for, by their numbers (RFC 1035 section 3.2.2, RFC 3596 section 2.1, RFC 2782).
    enum RecordType: UInt16, Hashable, Sendable {
        case address = 1
        case pointer = 12
        case address6 = 28
        case service = 33
    }

    enum Record: Equatable, Sendable {
        /// 4 or 16 octets.
        case address([UInt8])
        /// A host name; nil where it has anything but letters, digits and `-` between its dots.
        case pointer(String?)
        /// Where a service is to be had, or that it is not.
        case service(ServiceRecord)
    }

    /// In the reply's order; none where the name has none of the type.
    var records: [Record] = []
    /// The smallest TTL of the records and the aliases on the way, in seconds; of an absence, what the zone says of it
    /// (RFC 2308 section 5), or 0.
    var ttl: UInt32 = 0

    /// The longest chain of aliases that is followed.
    static let longestChain = 16

    /// Why a reply cannot be used.
    enum Malformed: UInt8, Error {
        case truncated
        case name
        case record
        case aliases
    }

    /// Reads a whole reply to a question for records of `type`.
    init(_ octets: [UInt8], type: RecordType) throws(Malformed) {
        var reader = DNSReader(octets)
        let header = try reader.header()
        guard header.questions == 1 else { throw .record }
        let question = try reader.name()
        _ = try reader.number(4)

        var aliases: [DNSName: (target: DNSName, ttl: UInt32)] = [:]
        var found: [(owner: DNSName, record: Record, ttl: UInt32)] = []
        for _ in 0..<header.answers {
            let head = try reader.recordHead()
            switch head.type {
            case RecordType.pointer.rawValue where type == .pointer:
                let target = try reader.name()
                found.append((head.owner, .pointer(target.hostName), head.ttl))
            case RecordType.service.rawValue where type == .service:
                if let service = try reader.service() { found.append((head.owner, .service(service), head.ttl)) }
            case type.rawValue:
                let length = type == .address ? 4 : 16
                guard head.end - reader.position == length else { throw .record }
                found.append((head.owner, .address(Array(octets[reader.position..<head.end])), head.ttl))
                reader.position = head.end
            case 5:
                let target = try reader.name()
                // One alias a name (RFC 1034 section 3.6.2): the first one counts.
                if aliases[head.owner] == nil { aliases[head.owner] = (target, head.ttl) }
            default:
                reader.position = head.end
            }
            guard reader.position == head.end else { throw .record }
        }

        var name = question
        var ttl = UInt32.max
        var steps = 0
        while let alias = aliases[name] {
            steps += 1
            guard steps <= Self.longestChain else { throw .aliases }
            ttl = min(ttl, alias.ttl)
            name = alias.target
        }
        for (owner, record, recordTTL) in found where owner == name {
            self.records.append(record)
            ttl = min(ttl, recordTTL)
        }
        self.ttl = self.records.isEmpty ? min(ttl, try Self.negativeTTL(&reader, header.authorities)) : ttl
    }

    /// From the zone's SOA, the smaller of its own TTL and its last field (RFC 2308 section 5).
    private static func negativeTTL(_ reader: inout DNSReader, _ count: Int) throws(Malformed) -> UInt32 {
        for _ in 0..<count {
            let head = try reader.recordHead()
            guard head.type == 6 else {
                reader.position = head.end
                continue
            }
            _ = try reader.name()
            _ = try reader.name()
            _ = try reader.number(16)
            let minimum = try reader.number(4)
            guard reader.position == head.end else { throw .record }
            return min(head.ttl, minimum)
        }
        return 0
    }
}

/// A name in a reply: its labels on the wire, in lower case, so that names compare as the DNS has it (RFC 4343).
struct DNSName: Hashable {
    /// Length, label, length, label…; the root's empty label is left out.
    var labels: [UInt8] = []
    /// The text of a host name, in the reply's own case; nil where it is none.
    var hostName: String?

    static func == (left: Self, right: Self) -> Bool { left.labels == right.labels }
    func hash(into hasher: inout Hasher) { hasher.combine(self.labels) }
}
