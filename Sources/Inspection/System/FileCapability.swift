/// A file's capabilities: the extended attribute security.capability, a vfs_cap_data of <linux/capability.h>.
package struct FileCapability: Equatable, Sendable {
    /// Why an attribute cannot be read.
    package enum ReadingError: UInt8, Error {
        /// Neither revision 1, 2 nor 3.
        case revision = 1
        /// Another length than its revision has.
        case length
    }

    /// CAP_NET_BIND_SERVICE, as a set.
    package static var netBindService: UInt64 { 1 << 10 }

    /// The permitted set, a bit a capability.
    package var permitted: UInt64
    /// The inheritable set.
    package var inheritable: UInt64 = 0
    /// Whether the permitted ones are effective from the start (`e` of setcap(8)).
    package var isEffective = false
    /// Whose uid is root in the user namespace that the attribute counts in; nil with revisions 1 and 2: the initial one.
    package var rootID: UInt32?

    /// Makes a capability by its parts.
    package init(permitted: UInt64, inheritable: UInt64 = 0, isEffective: Bool = false, rootID: UInt32? = nil) {
        self.permitted = permitted
        self.inheritable = inheritable
        self.isEffective = isEffective
        self.rootID = rootID
    }

    /// Reads the attribute: little-endian words, the revision in the first one's highest byte, 1 in its lowest for `e`;
    /// then permitted and inheritable, low halves first; with revision 3 the root's uid.
    package init(attribute bytes: [UInt8]) throws(ReadingError) {
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[index * 4 + $1]) << UInt32($1 * 8) }
        }
        guard bytes.count >= 4 else { throw .length }
        let revision = bytes[3]
        guard 1...3 ~= revision else { throw .revision }
        guard bytes.count == [12, 20, 24][Int(revision) - 1] else { throw .length }
        self.isEffective = word(0) & 1 != 0
        self.permitted = UInt64(word(1))
        self.inheritable = UInt64(word(2))
        if revision > 1 {
            self.permitted |= UInt64(word(3)) << 32
            self.inheritable |= UInt64(word(4)) << 32
        }
        if revision == 3 { self.rootID = word(5) }
    }

    /// As getcap(8) writes it: `cap_net_bind_service=p`, other capabilities by their numbers.
    package var text: String {
        func names(_ set: UInt64) -> String {
            (0..<64).filter { set >> UInt64($0) & 1 != 0 }
                .map { $0 == 10 ? "cap_net_bind_service" : "cap \($0)" }.joined(separator: ",")
        }
        guard self.permitted | self.inheritable != 0 else { return "=" }
        let flags = self.isEffective ? "ep" : "p"
        var parts: [String] = []
        if self.permitted != 0 { parts.append(names(self.permitted) + "=" + flags) }
        if self.inheritable != 0 { parts.append(names(self.inheritable) + "=" + (self.isEffective ? "ei" : "i")) }
        return parts.joined(separator: " ")
    }
}
