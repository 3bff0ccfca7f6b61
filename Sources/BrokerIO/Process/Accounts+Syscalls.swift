internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// /etc/passwd and /etc/group, read without NSS: no library of somebody else's runs in a privileged program. The files
/// are read as a stream, 16 MiB at most; the first line of a name counts, and a line that cannot be read is nobody's.
package enum Accounts {
    /// The uid or gid that a subject's name stands for; nil if there is none, or if the subject is a number already.
    package static func number(of subject: Subject, in text: Span<UInt8>) throws(FileError) -> UInt32? {
        switch subject {
        case .user(let name):
            return try self.user(text.extracting(name.start..<name.end))?.uid
        case .group(let name):
            var file = try AccountFile.group()
            while try file.nextEntry() {
                if file.isName(text.extracting(name.start..<name.end)) { return file.number }
            }
            return nil
        case .uid, .gid:
            return nil
        }
    }

    /// A user's uid, gid and supplementary groups; nil if /etc/passwd has no such user.
    package static func identity(ofUser name: Span<UInt8>) throws(FileError) -> Identity? {
        guard var identity = try self.user(name) else { return nil }
        // As initgroups(3) does it: the user's own group is among them.
        identity.groups[0] = identity.gid
        identity.groupCount = 1
        var file = try AccountFile.group()
        while try file.nextEntry() {
            var isMember = false
            while try file.nextField(ofList: true) { isMember = isMember || file.isField(name) }
            guard isMember, let gid = file.number else { continue }
            guard identity.groupCount < identity.groups.count else {
                throw FileError(code: .system, errno: E2BIG, pathLength: 10)
            }
            identity.groups[identity.groupCount] = gid
            identity.groupCount += 1
        }
        return identity
    }

    /// This process's real uid and gid and its supplementary groups; fails where those are more than 256.
    package static func callerIdentity() throws(SystemError) -> Identity {
        var identity = Identity(uid: getuid(), gid: getgid())
        let count = unsafe withUnsafeMutableBytes(of: &identity.groups) { groups in
            unsafe getgroups(256, groups.assumingMemoryBound(to: gid_t.self).baseAddress)
        }
        guard count >= 0 else { throw SystemError("getgroups (256 supplementary groups at most)") }
        identity.groupCount = Int(count)
        return identity
    }

    /// Whether the real, effective and saved uid and gid are those of `user`, and the groups as many.
    package static func isNow(_ user: Identity) -> Bool {
        var (real, effective, saved): (uid_t, uid_t, uid_t) = (0, 0, 0)
        guard unsafe cpostern_getresuid(&real, &effective, &saved) == 0, real == user.uid, effective == user.uid,
            saved == user.uid
        else { return false }
        guard unsafe cpostern_getresgid(&real, &effective, &saved) == 0, real == user.gid, effective == user.gid,
            saved == user.gid
        else { return false }
        return getgroups(0, nil) == Int32(user.groupCount)
    }

    @inline(never)
    private static func user(_ name: Span<UInt8>) throws(FileError) -> Identity? {
        var file = try AccountFile.passwd()
        while try file.nextEntry() {
            guard file.isName(name) else { continue }
            guard let uid = file.number, try file.nextField(), let gid = file.fieldNumber else { return nil }
            return Identity(uid: uid, gid: gid)
        }
        return nil
    }
}

/// A file of lines `name:password:number:…`, read field by field.
private struct AccountFile: ~Copyable {
    private let file: Descriptor
    private var bytes = InlineArray<4096, UInt8>(repeating: 0)
    private var filled = 0
    private var next = 0
    private var total = 0
    private var name = TextBuffer<64>()
    private var field = TextBuffer<64>()
    private var isAtLineEnd = true
    /// The entry's uid or gid; nil if it is none.
    private(set) var number: UInt32?

    static func passwd() throws(FileError) -> AccountFile {
        var path = TextBuffer<16>()
        path.append("/etc/passwd")
        return AccountFile(file: try openTrusted(path.storage.span.extracting(first: path.count)))
    }

    static func group() throws(FileError) -> AccountFile {
        var path = TextBuffer<16>()
        path.append("/etc/group")
        return AccountFile(file: try openTrusted(path.storage.span.extracting(first: path.count)))
    }

    private init(file: consuming Descriptor) {
        self.file = file
    }

    /// Goes to the next line and reads its first three fields; false at the end of the file.
    @inline(never)
    mutating func nextEntry() throws(FileError) -> Bool {
        while !self.isAtLineEnd { _ = try self.nextField() }
        self.isAtLineEnd = false
        self.number = nil
        guard try self.nextField() else { return try self.hasMore() }
        self.name = self.field
        if try self.nextField(), try self.nextField() { self.number = self.fieldNumber }
        return true
    }

    /// Reads on to the next `:` or line end, in a list of members to the next `,` as well (in a password that is an old
    /// one's age, and no field); false if the line has ended before.
    @inline(never)
    mutating func nextField(ofList isList: Bool = false) throws(FileError) -> Bool {
        guard !self.isAtLineEnd else { return false }
        self.field = TextBuffer()
        while let byte = try self.nextByte() {
            if byte == UInt8(ascii: ":") || (isList && byte == UInt8(ascii: ",")) { return true }
            if byte == UInt8(ascii: "\n") {
                self.isAtLineEnd = true
                return true
            }
            self.field.append(byte)
        }
        self.isAtLineEnd = true
        return self.field.count > 0
    }

    /// Whether this is the entry of `other`.
    @inline(never)
    func isName(_ other: Span<UInt8>) -> Bool {
        !self.name.isTruncated && self.name.storage.span.extracting(first: self.name.count).isEqual(to: other)
    }

    /// Whether the last field is `other`.
    @inline(never)
    func isField(_ other: Span<UInt8>) -> Bool {
        !self.field.isTruncated && self.field.storage.span.extracting(first: self.field.count).isEqual(to: other)
    }

    /// The last field as a number.
    var fieldNumber: UInt32? {
        guard let value = self.field.storage.span.decimal(at: TextRange(0, self.field.count), upTo: 0xFFFF_FFFE)
        else { return nil }
        return UInt32(value)
    }

    @inline(never)
    private mutating func hasMore() throws(FileError) -> Bool {
        if self.next < self.filled { return true }
        repeat {
            self.filled = unsafe withUnsafeMutableBytes(of: &self.bytes) { buffer in
                unsafe read(self.file.rawValue, buffer.baseAddress, buffer.count)
            }
        } while self.filled < 0 && cpostern_errno() == EINTR
        guard self.filled >= 0 else { throw FileError(code: .system, errno: cpostern_errno(), pathLength: 11) }
        self.next = 0
        self.total += self.filled
        guard self.total <= 16 << 20 else { throw FileError(code: .system, errno: EFBIG, pathLength: 11) }
        return self.filled > 0
    }

    @inline(never)
    private mutating func nextByte() throws(FileError) -> UInt8? {
        guard try self.hasMore() else { return nil }
        self.next += 1
        return self.bytes[self.next - 1]
    }
}
