import CPCRE2

/// A compiled regular expression of PCRE2's, for mailboxes: what a match may cost is bounded.
///
/// Unchanged once made, so that all event loops share it. Owns what PCRE2 allocated for it, until its end.
@safe package final class RegularExpression: Sendable {
    /// What became of a match.
    package enum Outcome: Hashable, Sendable {
        /// The expression matches.
        case matched
        /// It does not.
        case notMatched
        /// It went back and forth for longer than it may, and nobody knows.
        case exceeded
    }

    /// The steps that a match may take: more than any expression needs that does not backtrack over and over, since a
    /// mailbox has 320 octets at most; and a millisecond of the event loop's time.
    package static let matchLimit: UInt32 = 50_000
    /// The steps of a match when the expression is read: what takes more does not take a power of a mailbox's length, as
    /// many expressions do with odd mailboxes, but doubles with each letter.
    package static let trialLimit: UInt32 = 2_000_000
    /// The memory that a match may take, in KiB.
    package static let heapLimit: UInt32 = 1024

    /// The expression between its slashes.
    package let pattern: String
    /// Whether letters match in either case.
    package let ignoresCase: Bool
    // Immutable behind the pointers, too: PCRE2 writes to neither while it matches (pcre2api(3), "Multithreading").
    private nonisolated(unsafe) let code: OpaquePointer
    private nonisolated(unsafe) let context: OpaquePointer

    /// Compiles an expression.
    ///
    /// Fails with PCRE2's reason and its place, and for one that takes ``trialLimit`` with plain mailboxes: it would with
    /// whatever a stranger sends.
    package init(_ pattern: String, ignoresCase: Bool = false) throws(PatternError) {
        // ($ is the end alone, not before a line feed, too. \C would cut a character in two.)
        var options = PCRE2_UTF | UInt32(PCRE2_DOLLAR_ENDONLY) | UInt32(PCRE2_NEVER_BACKSLASH_C)
        if ignoresCase { options |= UInt32(PCRE2_CASELESS) }
        var status: Int32 = 0
        var offset = 0
        var octets = Array(pattern.utf8)
        let count = octets.count
        octets.append(0)  // (so that there is a first octet, even of none)
        guard let code = unsafe pcre2_compile_8(octets, count, options, &status, &offset, nil) else {
            let place = String(decoding: octets[..<min(offset, count)], as: UTF8.self).count
            throw PatternError("\(Self.message(status)), at offset \(place) of the expression")
        }
        guard let context = unsafe pcre2_match_context_create_8(nil) else {
            unsafe pcre2_code_free_8(code)
            throw PatternError("there is no memory for it")
        }
        unsafe pcre2_set_match_limit_8(context, Self.trialLimit)
        unsafe pcre2_set_heap_limit_8(context, Self.heapLimit)
        // Where the system forbids code that was made at run time, PCRE2 interprets.
        unsafe pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
        self.pattern = pattern
        self.ignoresCase = ignoresCase
        unsafe self.code = code
        unsafe self.context = context
        if let subject = self.exceedingSubject {
            throw PatternError("it backtracks beyond all bounds, as with \"\(subject)\"")
        }
        unsafe pcre2_set_match_limit_8(context, Self.matchLimit)
    }

    deinit {
        unsafe pcre2_match_context_free_8(self.context)
        unsafe pcre2_code_free_8(self.code)
    }

    /// Whether the expression matches somewhere in `subject`, which is UTF-8.
    ///
    /// - Parameter isInterpreted: without the code that was made of it, whose steps are fewer.
    package func match(
        _ subject: Span<UInt8>, with memory: borrowing MatchMemory, isInterpreted: Bool = false
    ) -> Outcome {
        guard let data = unsafe memory.data else { return .exceeded }
        return unsafe subject.withUnsafeBufferPointer { octets in
            guard let first = octets.baseAddress else { return .notMatched }
            let interpreting = UInt32(PCRE2_NO_JIT)
            let options = isInterpreted ? interpreting : 0
            var status = unsafe pcre2_match_8(self.code, first, octets.count, 0, options, data, self.context)
            if status == PCRE2_ERROR_JIT_STACKLIMIT {
                // The compiled code has 32 KiB of stack; the interpreter has `heapLimit`.
                status = unsafe pcre2_match_8(self.code, first, octets.count, 0, interpreting, data, self.context)
            }
            // (0: there are more groups than `data` has places for.)
            if status >= 0 { return .matched }
            return status == PCRE2_ERROR_NOMATCH ? .notMatched : .exceeded
        }
    }

    private static func message(_ status: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = unsafe pcre2_get_error_message_8(status, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(Int(count)), as: UTF8.self) : "error \(status)"
    }
}

/// What PCRE2 writes to while it matches: one for all expressions that are tried for a recipient.
@safe package struct MatchMemory: ~Copyable {
    fileprivate let data: OpaquePointer?

    /// Allocates it; where there is no memory, every match is ``RegularExpression/Outcome/exceeded``.
    package init() {
        // One place: nobody asks for groups.
        unsafe self.data = unsafe pcre2_match_data_create_8(1, nil)
    }

    deinit {
        unsafe pcre2_match_data_free_8(self.data)
    }
}
