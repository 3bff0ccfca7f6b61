/// Why a policy that reads well cannot be used.
package enum PolicyTableError: UInt8, Error {
    case tooManySubjects = 1
}

/// A policy with every user and group looked up: who may do what with which sockets, in numbers.
///
/// Each name has a slot, 0 to 63, which it keeps through reloads: leases and held sockets are known by it. Nothing of
/// the policy's text is needed any more.
///
/// Methods that only read are `mutating`, too: so the table is used in its place. What is borrowed from a struct of
/// this size, 140 KB, the compiler copies whole to the stack at every call (Swift 6.3).
package struct PolicyTable: ~Copyable {
    /// The most names, and slots.
    package static var maxNames: Int { 64 }
    /// The most users and groups in all lists together.
    package static var maxSubjects: Int { 4096 }

    /// One line of the policy.
    package struct Line: Sendable {
        /// The socket.
        package var socket = SocketSpec(transport: .tcp, host: Host(family: .any), port: 1)
        /// The socket as PB1 spells it.
        package var spec = TextBuffer<96>()
        /// Where the lists of each ``Right`` begin in the table's subjects, and where the last one ends.
        fileprivate var lists = InlineArray<6, UInt16>(repeating: 0)
    }

    /// A name and its lines, in the order of the file.
    private struct Name {
        var text = TextBuffer<64>()
        var lines = InlineArray<8, UInt16>(repeating: 0)
        var lineCount = 0
        var socketCount = 0
    }

    private struct Member {
        var isGroup = false
        var number: UInt32 = 0
    }

    private var names = InlineArray<64, Name>(repeating: Name())
    private var lines = InlineArray<512, Line>(repeating: Line())
    private var lineCount = 0
    private var members = InlineArray<4096, Member>(repeating: Member())
    private var memberCount = 0
    /// The slots that have a name, a bit each.
    package private(set) var slots: UInt64 = 0

    /// Makes a table without names.
    package init() {}

    /// Adds the parser's next entry; `number` looks a user's or group's name up, nil for one that is not there.
    package mutating func append<Failure: Error>(
        _ entry: PolicyEntry, in text: Span<UInt8>, number: (Subject) throws(Failure) -> UInt32?
    ) throws(Failure) -> PolicyTableError? {
        var line = Line()
        line.socket = entry.socket
        entry.appendSpec(to: &line.spec, in: text)
        for right in 0..<5 {
            line.lists[right] = UInt16(self.memberCount)
            let list = entry.rights[right]
            var start = list.start
            while start < list.end {
                let end = text.firstOffset(of: UInt8(ascii: ","), in: TextRange(start, list.end))
                if let member = try Self.member(TextRange(start, end), in: text, number) {
                    guard self.memberCount < Self.maxSubjects else { return .tooManySubjects }
                    self.members[self.memberCount] = member
                    self.memberCount += 1
                }
                start = end + 1
            }
        }
        line.lists[5] = UInt16(self.memberCount)
        // (The parser has seen to it that there are at most 64 names, with at most 8 lines each.)
        let name = text.extracting(entry.name.start..<entry.name.end)
        let slot = self.slot(of: name) ?? (~self.slots).trailingZeroBitCount
        if self.slots & 1 << slot == 0 {
            self.slots |= 1 << slot
            self.names[slot].text.append(text, entry.name)
        }
        self.names[slot].lines[self.names[slot].lineCount] = UInt16(self.lineCount)
        self.names[slot].lineCount += 1
        self.names[slot].socketCount += entry.socket.descriptorCount
        self.lines[self.lineCount] = line
        self.lineCount += 1
        return nil
    }

    private static func member<Failure: Error>(
        _ range: TextRange, in text: Span<UInt8>, _ number: (Subject) throws(Failure) -> UInt32?
    ) throws(Failure) -> Member? {
        // The parser has read every list; what reads otherwise now is nobody.
        guard let subject = try? Subject(at: range, in: text) else { return nil }
        switch subject {
        case .uid(let uid): return Member(isGroup: false, number: uid)
        case .gid(let gid): return Member(isGroup: true, number: gid)
        case .user: return try number(subject).map { Member(isGroup: false, number: $0) }
        case .group: return try number(subject).map { Member(isGroup: true, number: $0) }
        }
    }

    /// Gives each name the slot that it has in `old`, and each new one a slot that no name of this table had there.
    package mutating func keepSlots(of old: inout PolicyTable) {
        var arranged = InlineArray<64, Name>(repeating: Name())
        var (taken, placed): (UInt64, UInt64) = (0, 0)
        for slot in 0..<64 where self.slots & 1 << slot != 0 {
            let name = self.names[slot].text
            guard let place = old.slot(of: name.storage.span.extracting(first: name.count)) else { continue }
            arranged[place] = self.names[slot]
            taken |= 1 << place
            placed |= 1 << slot
        }
        for slot in 0..<64 where self.slots & ~placed & 1 << slot != 0 {
            let place = (~taken).trailingZeroBitCount
            arranged[place] = self.names[slot]
            taken |= 1 << place
        }
        self.names = arranged
        self.slots = taken
    }

    /// The slot of a name; nil if there is no such name.
    package mutating func slot(of name: Span<UInt8>) -> Int? {
        for slot in 0..<64 where self.slots & 1 << slot != 0 && self.names[slot].text.isEqual(to: name) { return slot }
        return nil
    }

    /// The name in a slot.
    package mutating func name(_ slot: Int) -> TextBuffer<64> { self.names[slot].text }

    /// How many lines the name in a slot has.
    package mutating func lineCount(_ slot: Int) -> Int { self.names[slot].lineCount }

    /// How many sockets the name in a slot has, 8 at most.
    package mutating func socketCount(_ slot: Int) -> Int { self.names[slot].socketCount }

    /// One of the lines of the name in a slot.
    package mutating func line(_ slot: Int, _ index: Int) -> Line { self.lines[Int(self.names[slot].lines[index])] }

    /// Whether somebody has a right on every line of the name in a slot; nobody has what no list gives, root included.
    package mutating func permits(_ right: Right, _ slot: Int, to identity: borrowing Identity) -> Bool {
        guard self.slots & 1 << slot != 0 else { return false }
        for index in 0..<self.names[slot].lineCount where !self.permits(right, slot, line: index, to: identity) {
            return false
        }
        return true
    }

    /// Whether somebody has a right on one line of the name in a slot.
    package mutating func permits(_ right: Right, _ slot: Int, line: Int, to identity: borrowing Identity) -> Bool {
        guard identity.uid != Subject.unmapped else { return false }
        let index = Int(self.names[slot].lines[line])
        let number = Int(right.rawValue)
        for member in Int(self.lines[index].lists[number])..<Int(self.lines[index].lists[number + 1]) {
            let subject = self.members[member]
            if subject.isGroup ? identity.isMember(of: subject.number) : subject.number == identity.uid { return true }
        }
        return false
    }

    /// The slots on which somebody has a right, a bit each.
    package mutating func slots(permitting right: Right, to identity: borrowing Identity) -> UInt64 {
        var result: UInt64 = 0
        for slot in 0..<64 where self.permits(right, slot, to: identity) { result |= 1 << slot }
        return result
    }
}
