import BrokerCore
import Testing

/// Makes a table of a policy in which alice is uid 1000, bob 1001, nobody 65534, the group mail gid 8 and none 65534.
private func table(_ text: String) throws -> PolicyTable {
    let bytes = Array(text.utf8)
    var table = PolicyTable()
    if let error = try fill(&table, bytes) { throw error }
    return table
}

private func fill(_ table: inout PolicyTable, _ bytes: [UInt8]) throws(PolicyError) -> PolicyTableError? {
    let numbers: [(StaticString, UInt32)] = [("alice", 1000), ("bob", 1001), ("nobody", 65534)]
    let groups: [(StaticString, UInt32)] = [("mail", 8), ("none", 65534)]
    var parser = PolicyParser()
    while let entry = try parser.next(in: bytes.span) {
        let error = table.append(entry, in: bytes.span) { subject in
            switch subject {
            case .user(let name): numbers.first { bytes.span.holds($0.0, at: name) }?.1
            case .group(let name): groups.first { bytes.span.holds($0.0, at: name) }?.1
            case .uid, .gid: nil
            }
        }
        if let error { return error }
    }
    return nil
}

private func identity(_ uid: UInt32, gid: UInt32 = 100, _ groups: [UInt32] = []) -> Identity {
    var identity = Identity(uid: uid, gid: gid)
    for group in groups {
        identity.groups[identity.groupCount] = group
        identity.groupCount += 1
    }
    return identity
}

extension PolicyTable {
    /// The slot of a name.
    fileprivate mutating func slot(_ name: String) -> Int? { self.slot(of: Array(name.utf8).span) }

    /// Every name, by slot.
    fileprivate var layout: [Int: String] {
        mutating get {
            var result: [Int: String] = [:]
            for slot in 0..<64 where self.slots & 1 << slot != 0 { result[slot] = self.name(slot).string }
            return result
        }
    }
}

@Suite struct PolicyTableTests {
    @Test(
        "A right is whose it says, by name and by number, user and group",
        arguments: [
            ("get=alice", 1000, 100, [], true), ("get=alice", 1001, 100, [], false),
            ("get=carol", 1000, 100, [], false), ("get=bob,carol,alice", 1000, 100, [], true),
            ("get=1000", 1000, 100, [], true), ("get=1000", 100, 1000, [1000], false),
            ("get=@mail", 5, 8, [], true), ("get=@mail", 5, 100, [7, 8], true), ("get=@mail", 8, 100, [7], false),
            ("get=@9", 5, 100, [9], true), ("get=@9", 9, 100, [], false), ("get=@0", 0, 0, [], true),
            ("get=@carol", 1000, 8, [], false), ("", 0, 0, [], false),
            ("bind=0 store=0 drop=0 list=0", 0, 0, [], false),
            // 65534 is nobody in particular: no user, no group, however it comes about.
            ("get=nobody", 65534, 100, [], false), ("get=@mail", 65534, 8, [8], false),
            ("get=@none", 5, 65534, [65534], false),
        ] as [(String, UInt32, UInt32, [UInt32], Bool)])
    func subjects(rights: String, uid: UInt32, gid: UInt32, groups: [UInt32], expected: Bool) throws {
        var table = try table("s tcp *:1 \(rights)\n")
        let isPermitted = table.permits(.get, 0, to: identity(uid, gid: gid, groups))
        #expect(isPermitted == expected)
        let slots = table.slots(permitting: .get, to: identity(uid, gid: gid, groups))
        #expect(slots == (expected ? 1 : 0))
    }

    @Test("Each right is a list of its own")
    func rights() throws {
        var table = try table("s tcp *:1 get=1 bind=2 store=3,6 drop=4 list=5,6\n")
        let rights: [Right] = [.get, .bind, .store, .drop, .list]
        let found = rights.map { right in (0...7).filter { table.permits(right, 0, to: identity($0)) } }
        #expect(found == [[1], [2], [3, 6], [4], [5, 6]])
    }

    @Test("A name needs the right on every line of it, a line only its own")
    func severalLines() throws {
        var table = try table(
            "s tcp *:1 get=1,2,3 store=2\nother tcp *:1 get=9\ns tcp *:2 get=2,3 store=3\ns udp *:1 get=@8,3\n")
        let whole = (0...9).filter { table.permits(.get, 0, to: identity($0)) }
        #expect(whole == [3])
        let (byGroup, onOneLine) = (
            table.permits(.get, 0, to: identity(2, gid: 8)), table.permits(.store, 0, to: identity(2))
        )
        #expect(byGroup && !onOneLine)
        let lines = (0..<3).map { line in (0...9).filter { table.permits(.store, 0, line: line, to: identity($0)) } }
        #expect(lines == [[2], [3], []])
        let slots = [3, 9].map { table.slots(permitting: .get, to: identity($0)) }
        #expect(slots == [0b01, 0b10])
        let elsewhere = (2..<64).filter { table.permits(.get, $0, to: identity(3)) }
        #expect(elsewhere == [])
    }

    @Test("Lines stand in the order of the file, each with its socket and its spec")
    func lines() throws {
        var table = try table(
            "b udp [::1]:53 v6only device=eth0\na tcp *:25 reuseport=3 backlog=9\nb tcp 127.0.0.1:1 keepalive\n")
        let layout = table.layout
        #expect(layout == [0: "b", 1: "a"])
        let counts = [table.lineCount(0), table.socketCount(0), table.lineCount(1), table.socketCount(1)]
        #expect(counts == [2, 2, 1, 3])
        let specs = [table.line(0, 0), table.line(0, 1), table.line(1, 0)].map(\.spec.string)
        #expect(specs == ["udp [::1]:53 v6only device=eth0", "tcp 127.0.0.1:1", "tcp *:25"])
        let line = table.line(1, 0)
        #expect(line.socket.backlog == 9 && line.socket.siblings == 3)
        let (empty, prefix, longer) = (table.slot(""), table.slot("A"), table.slot("bb"))
        #expect(empty == nil && prefix == nil && longer == nil)
    }

    @Test(
        "A name keeps its slot through a reload, and a new one gets one that none of them has",
        arguments: [
            ("a b c", "a b c", [0: "a", 1: "b", 2: "c"]), ("a b c", "c b a", [0: "a", 1: "b", 2: "c"]),
            ("a b c", "c", [2: "c"]), ("a b c", "d c", [0: "d", 2: "c"]),
            ("a b c", "x y z b", [0: "x", 1: "b", 2: "y", 3: "z"]),
            ("a b c", "", [:]), ("", "a b", [0: "a", 1: "b"]), ("a b", "b c a d", [0: "a", 1: "b", 2: "c", 3: "d"]),
        ] as [(String, String, [Int: String])])
    func reload(before: String, after: String, expected: [Int: String]) throws {
        func policy(_ names: String, port: Int) -> String {
            let names = names.split(separator: " ")
            return names.enumerated().map { "\($1) tcp *:\(port + $0) get=\(port + $0)\n" }.joined()
        }
        var old = try table(policy(before, port: 1))
        var new = try table(policy(after, port: 101))
        let unarranged = new.layout
        new.keepSlots(of: &old)
        let layout = new.layout
        #expect(layout == expected)
        // Lines and rights went with their names.
        for (slot, name) in new.layout {
            let port = 101 + (unarranged.first { $0.value == name }?.key ?? -1)
            let spec = new.line(slot, 0).spec.string
            #expect(spec == "tcp *:\(port)")
            let uids = [1, UInt32(port), 100].filter { new.permits(.get, slot, to: identity($0)) }
            #expect(uids == [UInt32(port)])
        }
    }

    @Test("64 names have 64 slots, through any number of reloads")
    func fullReload() throws {
        func policy(_ names: [Int]) -> String { names.map { "n\($0) tcp *:1 get=\($0)\n" }.joined() }
        var current = try table(policy(Array(0..<64)))
        var names = Array(0..<64)
        for round in 1...20 {
            // A third of the names goes, as many come, and the rest changes places.
            names = names.enumerated().filter { ($0.offset + round) % 3 != 0 }.map(\.element).reversed()
            names += (0..<64 - names.count).map { round * 100 + $0 }
            let before = current.layout
            var next = try table(policy(names))
            next.keepSlots(of: &current)
            let after = next.layout
            #expect(after.count == 64 && Set(after.values) == Set(names.map { "n\($0)" }))
            let kept = Set(before.values).intersection(after.values)
            #expect(!kept.isEmpty)
            #expect(after.allSatisfy { !kept.contains($0.value) || before[$0.key] == $0.value })
            for (slot, name) in after {
                let isPermitted = next.permits(.get, slot, to: identity(UInt32(name.dropFirst()) ?? 0))
                #expect(isPermitted)
            }
            current = next
        }
    }

    @Test("64 names with 8 lines of their own rights each")
    func largest() throws {
        let text = (0..<64).map { name in
            (0..<8).map { "n\(name) tcp *:\($0 + 1) get=\(name * 8 + $0 + 1)\n" }.joined()
        }
        var table = try table(text.joined())
        let slots = table.slots
        #expect(slots == .max)
        for slot in 0..<64 {
            let counts = [table.lineCount(slot), table.socketCount(slot)]
            #expect(counts == [8, 8])
            for line in 0..<8 {
                let uid = UInt32(slot * 8 + line + 1)
                let found = [uid - 1, uid, uid + 1].filter { table.permits(.get, slot, line: line, to: identity($0)) }
                #expect(found == [uid])
            }
            let isWhole = table.permits(.get, slot, to: identity(UInt32(slot * 8 + 1)))
            #expect(!isWhole)
        }
    }

    @Test("A policy names 4096 users and groups, and not one more; those that are not there do not count")
    func mostSubjects() throws {
        func policy(_ more: String) -> [UInt8] {
            let lists = (0..<8).map { line in
                (0..<512).map { line * 512 + $0 == 4095 ? "4095\(more)" : "\(line * 512 + $0)" }
                    .joined(separator: ",")
            }
            return Array(lists.enumerated().map { "n tcp *:\($0 + 1) store=\($1)\n" }.joined().utf8)
        }
        for (more, expected) in [("", nil), (",@8", .tooManySubjects), (",carol,@carol", nil)]
            as [(String, PolicyTableError?)]
        {
            var table = PolicyTable()
            let error = try fill(&table, policy(more))
            #expect(error == expected, "\(more)")
            guard error == nil else { continue }
            for uid in [0, 511, 512, 4094, 4095, 4096] as [UInt32] {
                let lines = (0..<8).filter { table.permits(.store, 0, line: $0, to: identity(uid)) }
                #expect(lines == (uid < 4096 ? [Int(uid) / 512] : []))
            }
        }
    }
}
