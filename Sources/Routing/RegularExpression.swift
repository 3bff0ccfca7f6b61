extension RegularExpression {
    /// Parses `/list-.*@/` or, for letters in either case, `/list-.*@/i`. Fails with what is wrong, as a clause.
    package convenience init(parsing text: String) throws(PatternError) {
        let slash = UInt8(ascii: "/")
        let octets = text.utf8
        guard octets.first == slash, let end = octets.lastIndex(of: slash), end > octets.startIndex else {
            throw PatternError("\"\(text)\" has no slash at its end: write /EXPRESSION/ or /EXPRESSION/i")
        }
        let flags = String(text[octets.index(after: end)...])
        guard flags.isEmpty || sameOctets(flags, "i") else {
            throw PatternError("\"\(text)\": behind its last slash there may be an i, and nothing else")
        }
        let pattern = String(text[octets.index(after: octets.startIndex)..<end])
        guard !pattern.isEmpty else { throw PatternError("\"\(text)\" has nothing between its slashes") }
        do {
            try self.init(pattern, ignoresCase: !flags.isEmpty)
        } catch {
            throw PatternError("\"\(text)\": \(error.message)")
        }
    }

    /// A mailbox that the expression does not get done with in ``trialLimit`` steps; nil where none is known.
    ///
    /// A nested repetition such as `(a+)+$` doubles its work with each letter that it matches before it fails. So it is
    /// tried with mailboxes of one kind of letter, as long as they may be; and interpreted, so that the verdict is the same
    /// wherever the file is read.
    var exceedingSubject: String? {
        let memory = MatchMemory()
        for unit in ["a", "A", "0", "-", ".", "_", "+", "=", "a.", "a-", "a0", "\u{FC}"] {
            let local = String(repeating: unit, count: 64 / unit.utf8.count)
            let label = String(repeating: unit.utf8.first == UInt8(ascii: "0") ? "0" : "a", count: 63)
            for domain in ["\(label).\(label).\(label).example", "\(label)!"] {
                let subject = "\(local)@\(domain)"
                if self.match(Array(subject.utf8).span, with: memory, isInterpreted: true) == .exceeded {
                    return subject
                }
            }
        }
        return nil
    }
}

extension RegularExpression: Hashable {
    /// Whether both were written alike.
    package static func == (left: RegularExpression, right: RegularExpression) -> Bool {
        left === right || left.ignoresCase == right.ignoresCase && sameOctets(left.pattern, right.pattern)
    }

    /// Feeds what equality goes by.
    package func hash(into hasher: inout Hasher) {
        for octet in self.pattern.utf8 { hasher.combine(octet) }
        hasher.combine(self.ignoresCase)
    }
}

extension RegularExpression: CustomStringConvertible {
    /// The expression as the configuration has it.
    package var description: String { "/\(self.pattern)/\(self.ignoresCase ? "i" : "")" }
}
