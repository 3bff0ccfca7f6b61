/// Numbers strings of octets from 0 on, and finds the number of one by its hash, without allocating anything.
///
/// A string belongs to a scope: the same octets in another one are another string. It is hashed from its end to its
/// beginning, so that whoever hashes a domain has met the hash of each domain above it on the way. What is looked up may
/// be a stranger's, but not what is in the table, so that no stranger can make strings collide in it.
struct OctetIndex: Sendable {
    /// The hash of a string, as far as it has been read.
    struct Hash: Equatable, Sendable {
        /// (FNV-1a's, of 64 bits.)
        fileprivate var value: UInt64 = 0xCBF2_9CE4_8422_2325

        /// Reads the octet in front.
        mutating func add(_ octet: UInt8) {
            self.value = (self.value ^ UInt64(octet)) &* 0x100_0000_01B3
        }

        fileprivate func slot(in scope: UInt32, mask: Int) -> Int {
            // The upper half depends on every octet.
            Int(truncatingIfNeeded: ((self.value ^ UInt64(scope)) &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        }
    }

    private struct Entry {
        var hash: Hash
        var scope: UInt32
        var start: Int
        var count: Int
    }

    /// The place of an entry plus one, or zero; twice as many as there are entries, at least, and a power of two.
    private var slots: [UInt32] = Array(repeating: 0, count: 8)
    private var entries: [Entry] = []
    private var octets: [UInt8] = []

    /// How many strings there are.
    var count: Int { self.entries.count }

    /// The number of a string, which is new where it was not there.
    mutating func insert(_ string: some Collection<UInt8>, scope: UInt32 = 0) -> Int {
        let string = Array(string)
        let hash = Self.hash(of: string.span)
        if let number = self.number(of: string.span, hash, scope: scope) { return number }
        self.entries.append(Entry(hash: hash, scope: scope, start: self.octets.count, count: string.count))
        self.octets += string
        if self.entries.count * 2 > self.slots.count {
            self.slots = Array(repeating: 0, count: self.slots.count * 2)
            for number in self.entries.indices { self.place(number) }
        } else {
            self.place(self.entries.count - 1)
        }
        return self.entries.count - 1
    }

    /// The number of a string, whose letters are in lower case where it was `folded` for its hash; nil where it is none.
    func number(of string: Span<UInt8>, _ hash: Hash, scope: UInt32 = 0, folded: Bool = false) -> Int? {
        let mask = self.slots.count - 1
        var slot = hash.slot(in: scope, mask: mask)
        while self.slots[slot] != 0 {
            let number = Int(self.slots[slot]) - 1
            if self.isEntry(number, string, hash, scope, folded: folded) { return number }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// The hash of a string.
    static func hash(of string: Span<UInt8>, folded: Bool = false) -> Hash {
        var hash = Hash()
        var place = string.count
        while place > 0 {
            place -= 1
            hash.add(folded ? lowercasedASCII(string[place]) : string[place])
        }
        return hash
    }

    private func isEntry(
        _ number: Int, _ string: Span<UInt8>, _ hash: Hash, _ scope: UInt32, folded: Bool
    ) -> Bool {
        let entry = self.entries[number]
        guard entry.hash == hash, entry.scope == scope, entry.count == string.count else { return false }
        for place in 0..<string.count {
            let octet = folded ? lowercasedASCII(string[place]) : string[place]
            guard octet == self.octets[entry.start + place] else { return false }
        }
        return true
    }

    private mutating func place(_ number: Int) {
        let mask = self.slots.count - 1
        var slot = self.entries[number].hash.slot(in: self.entries[number].scope, mask: mask)
        while self.slots[slot] != 0 { slot = (slot + 1) & mask }
        self.slots[slot] = UInt32(number + 1)
    }
}
