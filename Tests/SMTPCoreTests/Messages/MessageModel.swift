import SMTPCore

// What a message is and how receivers read it, worked out the slow way from the whole of it: what the framer and the
// receiver are held against, here and in Tests/Fuzz.

/// What a client meant, by the octets that it sent.
struct MessageModel: Equatable {
    /// What a strict receiver ought to have of it, in the end.
    var content: [UInt8] = []
    /// The same with another dot before each one that stands between a NUL and a NUL or a line end.
    var guarded: [UInt8] = []
    /// How many octets were read when the end was found; nil where it was not. (Behind DATA.)
    var end: Int?
    var bareLineFeeds: UInt64 = 0
    var bareCarriageReturns: UInt64 = 0
    var nuls: UInt64 = 0

    /// Reads what comes behind DATA, or the chunks of BDAT as one.
    init(_ input: [UInt8], _ source: MessageFramer.Source, _ policy: MessagePolicy.BareLineEnds) {
        let isPassing = policy == .pass
        var isLineStart = true
        // Whether dots are stuffed here: the line before ended in CRLF.
        var isStrict = true
        var index = 0
        func at(_ place: Int) -> UInt8? { place < input.count ? input[place] : nil }
        self.content.reserveCapacity(2 * input.count + 2)
        self.guarded.reserveCapacity(2 * input.count + 2)
        while let octet = at(index) {
            if source == .data, isLineStart, isStrict, octet == 0x2E {
                if at(index + 1) == 0x0D, at(index + 2) == 0x0A {
                    self.end = index + 3
                    return
                }
                isLineStart = false
                index += 1
                continue
            }
            switch octet {
            case 0x0D where at(index + 1) == 0x0A:
                self.appendLineEnd()
                isStrict = true
                isLineStart = true
                index += 1
            case 0x0D:
                self.bareCarriageReturns += 1
                if source == .chunks, index + 1 == input.count {
                    self.appendLineEnd()
                    isLineStart = true
                } else {
                    self.append(isPassing ? 0x0D : 0x20)
                    isLineStart = false
                }
            case 0x0A:
                self.bareLineFeeds += 1
                if isPassing { self.append(0x0A) } else { self.appendLineEnd() }
                isLineStart = !isPassing
                isStrict = false
            default:
                if octet == 0 { self.nuls += 1 }
                let next = at(index + 1) ?? (source == .chunks ? 0 : 1)
                if octet == 0x2E, !isPassing, self.content.last == 0, next == 0 || next == 0x0D || next == 0x0A {
                    self.guarded.append(0x2E)
                }
                self.append(octet)
                isLineStart = false
            }
            index += 1
        }
        if source == .chunks, !isLineStart { self.appendLineEnd() }
    }

    private mutating func append(_ octet: UInt8) {
        self.content.append(octet)
        self.guarded.append(octet)
    }

    private mutating func appendLineEnd() {
        self.append(0x0D)
        self.append(0x0A)
    }

    /// The longest line, with its CRLF.
    var longestLine: Int {
        var longest = 0
        var start = 0
        for (index, octet) in self.content.enumerated() {
            longest = max(longest, index + 1 - start)
            if octet == 0x0A, index > 0, self.content[index - 1] == 0x0D { start = index + 1 }
        }
        return longest
    }

    /// The `Received:` fields before the first empty line.
    var receivedFields: Int {
        var count = 0
        for line in self.content.split(separator: 0x0A, omittingEmptySubsequences: false) {
            if line.isEmpty || line.elementsEqual([0x0D]) { break }
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            var name = line[..<colon]
            while name.count > 8, name.last == 0x20 || name.last == 0x09 { name.removeLast() }
            if name.count == 8, String(decoding: name, as: UTF8.self).lowercased() == "received" { count += 1 }
        }
        return count
    }
}

/// A message as a client sends it behind DATA: a dot before each leading one, and the end.
func stuffed(_ content: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var isLineStart = true
    for (index, octet) in content.enumerated() {
        if isLineStart, octet == 0x2E { result.append(0x2E) }
        result.append(octet)
        isLineStart = octet == 0x0A && index > 0 && content[index - 1] == 0x0D
    }
    return result + (isLineStart ? [] : [0x0D, 0x0A]) + [0x2E, 0x0D, 0x0A]
}

/// What a strict receiver makes of what comes behind DATA: a message, and what is left when it has found the end.
func readStrictly(_ octets: [UInt8]) -> (message: [UInt8], rest: Int)? {
    var message: [UInt8] = []
    var start = 0
    for index in octets.indices where octets[index] == 0x0A && index > start && octets[index - 1] == 0x0D {
        let line = octets[start...index]
        if line.elementsEqual([0x2E, 0x0D, 0x0A]) { return (message, octets.count - index - 1) }
        message += line.first == 0x2E ? line.dropFirst() : line
        start = index + 1
    }
    return nil
}

/// How a receiver may read lines that is not strict about them.
struct LenientReading: Sendable {
    let name: String
    /// Octets each of which ends a line.
    let ends: [UInt8]
    /// Octets that are dropped before.
    var dropped: [UInt8] = []
    /// Whether CRs before the end of a line belong to that.
    var dropsCRs = false

    static let all = [
        LenientReading(name: "LF", ends: [0x0A], dropsCRs: true),
        LenientReading(name: "CR", ends: [0x0D]),
        LenientReading(name: "CR or LF", ends: [0x0D, 0x0A]),
        LenientReading(name: "LF without NULs", ends: [0x0A], dropped: [0], dropsCRs: true),
        LenientReading(name: "CR without NULs", ends: [0x0D], dropped: [0]),
        LenientReading(name: "CR or LF without NULs", ends: [0x0D, 0x0A], dropped: [0]),
        LenientReading(name: "CR, LF or NUL", ends: [0x0D, 0x0A, 0]),
        LenientReading(name: "LF or NUL", ends: [0x0A, 0], dropsCRs: true),
        LenientReading(name: "all CRs dropped", ends: [0x0A], dropped: [0x0D]),
        LenientReading(name: "all CRs and NULs dropped", ends: [0x0A], dropped: [0x0D, 0]),
    ]

    /// How many lines are a dot alone.
    func ends(in octets: [UInt8]) -> Int {
        var count = 0
        // What was read of the line but for CRs at its end, where those belong to that.
        var (length, crs, last) = (0, 0, UInt8(0))
        func endLine() {
            if length == 1, last == 0x2E { count += 1 }
            (length, crs) = (0, 0)
        }
        for octet in octets where !self.dropped.contains(octet) {
            if self.ends.contains(octet) {
                endLine()
            } else if self.dropsCRs, octet == 0x0D {
                crs += 1
            } else {
                (length, crs, last) = (length + crs + 1, 0, octet)
            }
        }
        endLine()
        return count
    }
}

/// Whether any reader in ``LenientReading/all`` could find a dot alone: with every CR, LF and NUL a line end, or with every
/// NUL dropped. (Quicker than to ask each.)
func holdsLoneDot(_ octets: [UInt8]) -> Bool {
    func isLone(_ octets: [UInt8], _ isEnd: (UInt8) -> Bool) -> Bool {
        for index in octets.indices where octets[index] == 0x2E {
            if index == 0 || isEnd(octets[index - 1]), index + 1 == octets.count || isEnd(octets[index + 1]) {
                return true
            }
        }
        return false
    }
    return isLone(octets) { $0 == 0 || $0 == 0x0D || $0 == 0x0A }
        || octets.contains(0) && isLone(octets.filter { $0 != 0 }) { $0 == 0x0D || $0 == 0x0A }
}
