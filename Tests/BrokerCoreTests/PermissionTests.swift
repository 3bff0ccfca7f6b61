import BrokerCore
import Testing

@Suite struct PermissionTests {
    /// Whether `text`'s first line lets the identity bind; "alice" is uid 1000, "mail" is gid 8, others are unknown.
    private func permits(_ text: String, uid: UInt32, gid: UInt32 = 100, groups: [UInt32] = []) throws -> Bool {
        let bytes = Array("\(text)\n".utf8)
        var parser = PolicyParser()
        let entry = try #require(try parser.next(in: bytes.span))
        var identity = Identity(uid: uid, gid: gid)
        for group in groups {
            identity.groups[identity.groupCount] = group
            identity.groupCount += 1
        }
        return entry.permits(.bind, to: identity, in: bytes.span) { subject in
            switch subject {
            case .user(let name): bytes.span.holds("alice", at: name) ? 1000 : nil
            case .group(let name):
                bytes.span.holds("mail", at: name) ? 8 : bytes.span.holds("none", at: name) ? 65534 : nil
            case .uid, .gid: nil
            }
        }
    }

    @Test(
        "A right is whose it says, by name and by number, user and group",
        arguments: [
            ("s tcp *:1 bind=alice", 1000, 100, [], true), ("s tcp *:1 bind=alice", 1001, 100, [], false),
            ("s tcp *:1 bind=bob", 1000, 100, [], false), ("s tcp *:1 bind=bob,alice", 1000, 100, [], true),
            ("s tcp *:1 bind=1000", 1000, 100, [], true), ("s tcp *:1 bind=1000", 100, 1000, [1000], false),
            ("s tcp *:1 bind=@mail", 5, 8, [], true), ("s tcp *:1 bind=@mail", 5, 100, [7, 8], true),
            ("s tcp *:1 bind=@mail", 8, 100, [7], false), ("s tcp *:1 bind=@9", 5, 100, [9], true),
            ("s tcp *:1 bind=@0", 0, 0, [], true),
        ] as [(String, UInt32, UInt32, [UInt32], Bool)])
    func decision(text: String, uid: UInt32, gid: UInt32, groups: [UInt32], expected: Bool) throws {
        let isPermitted = try self.permits(text, uid: uid, gid: gid, groups: groups)
        #expect(isPermitted == expected)
    }

    @Test("Nobody has a right by default, root included, and other rights give none")
    func byDefault() throws {
        for uid in [0, 1000] as [UInt32] {
            #expect(try !self.permits("s tcp *:1", uid: uid, gid: 0))
            #expect(try !self.permits("s tcp *:1 get=alice,0 store=alice,0 drop=0 list=0", uid: uid, gid: 0))
        }
    }

    @Test("65534 is nobody in particular: no user, no group, however it comes about")
    func unmapped() throws {
        #expect(try !self.permits("s tcp *:1 bind=alice,@100", uid: 65534, gid: 100))
        #expect(try !self.permits("s tcp *:1 bind=@none", uid: 1, gid: 65534, groups: [65534]))
    }
}
