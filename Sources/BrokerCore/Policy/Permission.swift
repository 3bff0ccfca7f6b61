/// What a policy may let somebody do with a name.
package enum Right: UInt8, Sendable {
    /// Have the listener from the broker.
    case get
    /// Have the listener from the binder.
    case bind
    /// Give the broker a listener.
    case store
    /// Take a listener from the broker.
    case drop
    /// See the broker's names and their holders.
    case list
}

/// Somebody in a right's list.
package enum Subject: Sendable {
    /// A user, by a name that is looked up in /etc/passwd.
    case user(TextRange)
    /// A group, by a name that is looked up in /etc/group.
    case group(TextRange)
    /// A user by number.
    case uid(UInt32)
    /// A group by number.
    case gid(UInt32)

    /// The number that the kernel shows for whoever has none in this user namespace: nobody in particular.
    package static var unmapped: UInt32 { 65534 }

    /// Reads what stands between two commas.
    init(at range: TextRange, in text: Span<UInt8>) throws(PolicyError) {
        let isGroup = range.count > 0 && text[range.start] == UInt8(ascii: "@")
        let word = TextRange(range.start + (isGroup ? 1 : 0), range.end)
        guard word.count > 0 else { throw .init("a user, @group or number is missing", word) }
        if let number = text.decimal(at: word, upTo: 0xFFFF_FFFE) {
            guard number != UInt64(Subject.unmapped) else {
                throw .init("65534 stands for whoever cannot be named, and is refused", word)
            }
            self = isGroup ? .gid(UInt32(number)) : .uid(UInt32(number))
            return
        }
        // What begins with a digit is a number, or nothing: no user of that name can be meant.
        guard text.isName(word), !text[word.start].isDigit, text[word.start] != UInt8(ascii: "-") else {
            throw .init("not a user, @group or number", range)
        }
        self = isGroup ? .group(word) : .user(word)
    }
}

/// A process's user and groups, as the policy sees them.
package struct Identity: Sendable {
    /// The real uid.
    package var uid: UInt32
    /// The real gid.
    package var gid: UInt32
    /// The supplementary groups, 256 at most; the first ``groupCount`` count.
    package var groups = InlineArray<256, UInt32>(repeating: 0)
    /// How many supplementary groups there are.
    package var groupCount = 0

    /// Makes an identity without supplementary groups.
    package init(uid: UInt32, gid: UInt32) {
        self.uid = uid
        self.gid = gid
    }

    /// Whether `group` is the group or one of the supplementary ones; the unmapped one never is.
    package func isMember(of group: UInt32) -> Bool {
        guard group != Subject.unmapped else { return false }
        for index in 0..<self.groupCount where self.groups[index] == group { return true }
        return self.gid == group
    }
}

extension PolicyEntry {
    /// Decides whether this line lets `identity` do what `right` says; nobody may what no list gives, root included.
    ///
    /// `number` looks a name up: the uid of `.user`, the gid of `.group`; nil if there is none, which matches nobody.
    package func permits<Failure: Error>(
        _ right: Right, to identity: Identity, in text: Span<UInt8>,
        number: (Subject) throws(Failure) -> UInt32?
    ) throws(Failure) -> Bool {
        let list = self.rights[Int(right.rawValue)]
        guard identity.uid != Subject.unmapped else { return false }
        var start = list.start
        while start < list.end {
            let end = text.firstOffset(of: UInt8(ascii: ","), in: TextRange(start, list.end))
            // The parser has read every list: an error here means a text that is not the one it read, and no right.
            guard let subject = try? Subject(at: TextRange(start, end), in: text) else { return false }
            let isMatch =
                switch subject {
                case .uid(let uid): uid == identity.uid
                case .gid(let gid): identity.isMember(of: gid)
                case .user: try number(subject) == identity.uid
                case .group: try number(subject).map { identity.isMember(of: $0) } ?? false
                }
            if isMatch { return true }
            start = end + 1
        }
        return false
    }
}
