/// Writes DNS replies, also ones that no server should send.
struct DNSMessage {
    var octets: [UInt8]

    /// A reply with these counts, which may be lies.
    init(id: UInt16 = 0, flags: UInt16 = 0x8180, questions: Int = 1, answers: Int = 0, authorities: Int = 0) {
        self.octets = []
        for number in [Int(id), Int(flags), questions, answers, authorities, 0] { self.number(number, 2) }
    }

    mutating func number(_ value: Int, _ size: Int) {
        for shift in (0..<size).reversed() { self.octets.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
    }

    /// A dot ends a label, whatever else is in it.
    static func wire(_ name: String) -> [UInt8] {
        Self.wire(labels: name.split(separator: ".").map { Array($0.utf8) })
    }

    static func wire(labels: [[UInt8]]) -> [UInt8] {
        labels.flatMap { [UInt8($0.count)] + $0 } + [0]
    }

    mutating func question(_ name: String, _ type: Int) {
        self.octets += Self.wire(name)
        self.number(type, 2)
        self.number(1, 2)
    }

    mutating func record(_ owner: [UInt8], _ type: Int, ttl: Int = 60, _ data: [UInt8]) {
        self.octets += owner
        self.number(type, 2)
        self.number(1, 2)
        self.number(ttl, 4)
        self.number(data.count, 2)
        self.octets += data
    }

    mutating func record(_ owner: String, _ type: Int, ttl: Int = 60, _ data: [UInt8]) {
        self.record(Self.wire(owner), type, ttl: ttl, data)
    }

    /// A pointer to the question's name.
    static let questionName: [UInt8] = [0xC0, 0x0C]

    static func soa(minimum: Int) -> [UInt8] {
        Self.wire("ns.example") + Self.wire("root.example") + [UInt8](repeating: 0, count: 16)
            + (0..<4).reversed().map { UInt8(truncatingIfNeeded: minimum >> (8 * $0)) }
    }
}
