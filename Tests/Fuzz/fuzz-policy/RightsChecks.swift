import BrokerCore

// Who may do what: the table's answers against a second reading of the text, which shares no code with the parser's.

/// A number for a name that is looked up, the same each time; some names have none, and one the number of nobody.
private func number(_ name: ArraySlice<UInt8>) -> UInt32? {
    var hash: UInt32 = 2_166_136_261
    for byte in name { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    return hash % 7 == 0 ? nil : hash % 7 == 1 ? 65534 : hash
}

/// Who a list names.
private struct Named {
    var users: Set<UInt32> = []
    var groups: Set<UInt32> = []

    init(_ list: ArraySlice<UInt8>) {
        for word in list.split(separator: UInt8(ascii: ",")) {
            let isGroup = word.first == UInt8(ascii: "@")
            let name = isGroup ? word.dropFirst() : word
            let value =
                name.first.map { 0x30...0x39 ~= $0 } ?? false
                ? UInt32(String(decoding: name, as: UTF8.self)) : number(name)
            guard let value, value != 65534 else { continue }
            if isGroup { groups.insert(value) } else { users.insert(value) }
        }
    }

    func has(_ identity: Identity) -> Bool {
        guard identity.uid != 65534 else { return false }
        return users.contains(identity.uid) || groups.contains(identity.gid)
            || (0..<identity.groupCount).contains { groups.contains(identity.groups[$0]) }
    }
}

/// The lines of each name, and in each line the five lists.
private func lists(_ bytes: [UInt8]) -> [[UInt8]: [[Named]]] {
    let keys = ["get=", "bind=", "store=", "drop=", "list="].map { Array($0.utf8) }
    var result: [[UInt8]: [[Named]]] = [:]
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
        let words = line.split { $0 == 0x20 || $0 == 0x09 }.prefix { $0.first != UInt8(ascii: "#") }
        guard let name = words.first else { continue }
        result[Array(name), default: []].append(
            keys.map { key in
                Named(words.dropFirst(3).first { $0.starts(with: key) }?.dropFirst(key.count) ?? [])
            })
    }
    return result
}

/// The table of a text that is right, of its first `count` entries; nil where it names too many.
private func table(_ entries: ArraySlice<PolicyEntry>, _ bytes: [UInt8]) -> PolicyTable? {
    var table = PolicyTable()
    for entry in entries {
        let error = table.append(entry, in: bytes.span) { subject in
            switch subject {
            case .user(let name), .group(let name): number(bytes[name.start..<name.end])
            case .uid, .gid: fatalError("a number that is looked up")
            }
        }
        if error != nil { return nil }
    }
    return table
}

/// Checks that the table of a text that is right gives what the text spells out, and nothing else.
func checkRights(_ bytes: [UInt8], _ entries: [PolicyEntry]) {
    guard let table = table(entries[...], bytes) else { return }
    let lists = lists(bytes)
    require(lists.count == table.slots.nonzeroBitCount)
    checkPermissions(of: table, bytes, entries, lists)
    checkReload(bytes, entries, lists)
}

/// Everybody that the text names, some that it does not, and root.
private func everybody(_ lists: [[UInt8]: [[Named]]]) -> [Identity] {
    var (users, groups): (Set<UInt32>, Set<UInt32>) = ([0, 1, 65534], [0, 1, 65534])
    for list in lists.values.joined().joined() {
        users.formUnion(list.users)
        groups.formUnion(list.groups)
    }
    var result: [Identity] = []
    for user in users.sorted().prefix(12) {
        result.append(Identity(uid: user, gid: 4_000_000_000))
        result.append(Identity(uid: 4_000_000_001, gid: user))
    }
    for group in groups.sorted().prefix(12) {
        result.append(Identity(uid: 4_000_000_001, gid: group))
        var member = Identity(uid: group, gid: 4_000_000_000)
        member.groups[0] = 4_000_000_002
        member.groups[1] = group
        member.groupCount = 2
        result.append(member)
        result.append(Identity(uid: 65534, gid: group))
    }
    return result
}

private let rights: [Right] = [.get, .bind, .store, .drop, .list]

private func checkPermissions(
    of table: borrowing PolicyTable, _ bytes: [UInt8], _ entries: [PolicyEntry], _ lists: [[UInt8]: [[Named]]]
) {
    for identity in everybody(lists) {
        for (index, right) in rights.enumerated() {
            for (name, lines) in lists {
                guard let slot = table.slot(of: name.span) else { fatalError("a name without a slot") }
                require(table.lineCount(slot) == lines.count)
                for (number, line) in lines.enumerated() {
                    let isPermitted = table.permits(right, slot, line: number, to: identity)
                    require(isPermitted == line[index].has(identity), "a right that the text does not give")
                }
                let isPermitted = table.permits(right, slot, to: identity)
                require(isPermitted == lines.allSatisfy { $0[index].has(identity) }, "a right on a part of a name")
            }
        }
        for entry in entries.prefix(16) {
            let lines = lists[Array(bytes[entry.name.start..<entry.name.end])] ?? []
            let isPermitted = entry.permits(.bind, to: identity, in: bytes.span) { subject in
                switch subject {
                case .user(let name), .group(let name): number(bytes[name.start..<name.end])
                case .uid, .gid: fatalError("a number that is looked up")
                }
            }
            require(!isPermitted || lines.contains { $0[1].has(identity) }, "the binder's rights are others")
        }
    }
}

/// A reload, from a policy of the second half to the whole: names that stay keep their slots, and every name has its own
/// lines and rights.
private func checkReload(_ bytes: [UInt8], _ entries: [PolicyEntry], _ lists: [[UInt8]: [[Named]]]) {
    guard let half = table(entries.suffix(entries.count / 2), bytes), var whole = table(entries[...], bytes) else {
        return
    }
    whole.keepSlots(of: half)
    for name in lists.keys {
        guard let slot = half.slot(of: name.span) else { continue }
        require(whole.slot(of: name.span) == slot, "a name that lost its slot")
    }
    require(whole.slots.nonzeroBitCount == lists.count)
    checkPermissions(of: whole, bytes, entries, lists)
}
