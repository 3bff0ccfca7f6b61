/// Finds the end of a message, and re-serialises what comes before it (RFC 5321 sections 2.3.8 and 4.1.1.4; RFC 3030).
///
/// Behind DATA, only CR LF `.` CR LF ends a message, and only a line that CR LF ended can be the one before it. Behind
/// BDAT the caller knows where the end is. Lines that end in CRLF pass octet for octet. Unless the receiver is declared
/// strict (``MessagePolicy/BareLineEnds/pass``), a bare LF becomes CRLF and a bare CR a space, and a dot that comes to
/// stand at the start of a line by that is stuffed. So whatever a lenient receiver takes for an end of data, none but the
/// caller's own final dot reaches it.
///
/// That includes receivers that drop NULs, or end lines at them (CRLF NUL `.` CRLF): in `stuffed` form a dot between a NUL
/// and a NUL or a line end gets another before it, and a stuffing dot before a NUL or a bare CR, which needs none, is
/// left out. Deviates: a strict receiver gets the former dot twice (RFC 5321 section 4.5.2 stuffs only the first octet of
/// a line). No mail that RFC 5322 knows has NULs.
///
/// It keeps no octets: a CR or a dot that may begin the end is remembered as a state. Feed it until it says
/// ``Step/needMore`` or ``Step/end(consumed:)``:
///
///     C: a line<CR><LF>          pass(8)
///     C: another<LF>             pass(7), write(.lineEnd)
///     C: .<CR><LF>               hold, hold, end
public struct MessageFramer: Sendable {
    /// How lines that begin with a dot come out.
    public enum Form: Sendable {
        /// As the wire has them, a dot before each leading dot: for another SMTP server.
        case stuffed
        /// As the message has them: for a file.
        case content
    }

    /// How the message comes.
    public enum Source: Sendable {
        /// Behind DATA: leading dots are stuffed, and a dot alone ends it.
        case data
        /// In the chunks of BDAT, one behind the other: as it is, and it ends where the last chunk does (RFC 3030).
        case chunks
    }

    /// Octets to write in place of some that came.
    public enum Replacement: String, Sendable {
        /// CRLF.
        case lineEnd = "\r\n"
        /// A space, for a bare CR.
        case space = " "
        /// A bare CR that was held back.
        case carriageReturn = "\r"
        /// A dot that was held back.
        case dot = "."
        /// Nothing: what was held back is gone.
        case nothing = ""
        /// A dot and another to stuff it.
        case stuffedDot = ".."
    }

    /// What to do with the octets at the front of the input.
    public enum Step: Equatable, Sendable {
        /// Write the next `count` octets as they are.
        case pass(Int)
        /// Take `consumed` octets (0 or 1) away and write these.
        case write(Replacement, consumed: Int)
        /// Take one octet away; what becomes of it is not known yet.
        case hold
        /// The message is whole: take `consumed` octets away. What follows them are commands. (After DATA alone.)
        case end(consumed: Int)
        /// The input is empty.
        case needMore
    }

    enum State: UInt8 {
        /// At the start of a line, after CRLF or at the very beginning.
        case lineStart
        /// At the start of a line that a bare LF ended: a dot here is content.
        case looseLineStart
        /// Within a line.
        case inLine
        /// Within a line, behind a NUL.
        case nul
        /// A dot at the start of a line is held.
        case dot
        /// A dot and a CR at the start of a line are held.
        case dotCR
        /// A dot behind a NUL is held.
        case nulDot
        /// A CR within a line is held.
        case cr
        /// The end was found.
        case ended
    }

    var state = State.lineStart
    let form: Form
    let source: Source
    /// Whether bare CR and LF go on as they come.
    let isPassing: Bool
    /// Whether a NUL is a reason to stop: then it never hides behind other octets in one step.
    let stopsAtNUL: Bool
    /// Octets that a line may have.
    let lineLimit: UInt64
    /// Octets of the line so far, as it goes on; a stuffing dot does not count.
    var lineLength: UInt64 = 0
    /// Octets of the message so far, as they go on.
    var contentSize: UInt64 = 0
    /// Octets that came.
    private var received: UInt64 = 0

    /// How many LF without a CR before them were seen.
    public internal(set) var bareLineFeeds: UInt64 = 0
    /// How many CR without a LF behind them were seen.
    public internal(set) var bareCarriageReturns: UInt64 = 0
    /// How many NULs were seen.
    public internal(set) var nuls: UInt64 = 0
    /// Whether a line, its line end included and without a stuffing dot, was longer than it may be.
    public internal(set) var hasOverlongLine = false

    /// Makes a framer for one message; what `bareLineEnds` and `nul` refuse is counted, and left for the caller to refuse.
    ///
    /// `longestLine` is in octets, a line's end included; 0: no bound.
    public init(
        _ form: Form, source: Source = .data, bareLineEnds: MessagePolicy.BareLineEnds = .normalize,
        nul: MessagePolicy.NUL = .pass, longestLine: Int = 0
    ) {
        self.form = form
        self.source = source
        self.isPassing = bareLineEnds == .pass
        self.stopsAtNUL = nul == .reject
        self.lineLimit = longestLine > 0 ? UInt64(longestLine) : .max
    }

    /// Octets of the message so far (RFC 1870 section 5): as they go on, stuffing dots and the final one not counted; in
    /// chunks, as they came.
    public var size: UInt64 { self.source == .data ? self.contentSize : self.received }

    /// Looks at the front of `input` and says what to do with it; call again with what is left.
    public mutating func next(_ input: Span<UInt8>) -> Step {
        guard !input.isEmpty else { return .needMore }
        switch self.state {
        case .lineStart, .looseLineStart, .inLine, .nul:
            let count = self.plainRun(input)
            guard count == 0 else {
                self.received += UInt64(count)
                return .pass(count)
            }
        case .dot, .dotCR, .nulDot, .cr, .ended:
            break
        }
        let step = self.octet(input[0])
        switch step {
        case .write(_, let consumed): self.received += UInt64(consumed)
        case .hold: self.received += 1
        case .pass, .end, .needMore: break
        }
        return step
    }

    /// What must be written behind the last chunk, so that the message ends in CRLF; call until it says nil.
    ///
    /// A message without an octet needs nothing. A CR at the very end counts as bare, and becomes CRLF.
    public mutating func finish() -> Replacement? {
        precondition(self.source == .chunks, "only chunks end without an end of their own")
        switch self.state {
        case .lineStart, .looseLineStart, .ended:
            self.state = .ended
            return nil
        case .nulDot:
            self.state = .inLine
            self.count(1)
            return .stuffedDot
        case .inLine, .nul:
            break
        case .cr:
            self.bareCarriageReturns += 1
        case .dot, .dotCR:
            preconditionFailure("no dot in a chunk may begin an end")
        }
        self.state = .lineStart
        self.endLine()
        return .lineEnd
    }
}

extension MessageFramer {
    /// Whether a dot behind a NUL may need another.
    var guardsNULs: Bool { self.form == .stuffed && !self.isPassing }

    /// Counts octets of a line.
    @inline(__always)
    mutating func count(_ octets: Int) {
        self.contentSize += UInt64(octets)
        self.lineLength += UInt64(octets)
        if self.lineLength > self.lineLimit { self.hasOverlongLine = true }
    }

    /// Counts the CRLF that ends a line.
    @inline(__always)
    mutating func endLine() {
        self.count(2)
        self.lineLength = 0
    }
}

extension MessageFramer {
    /// Takes one octet where it, or one that is held, may need rewriting.
    private mutating func octet(_ octet: UInt8) -> Step {
        switch (self.state, octet) {
        case (.lineStart, SMTPCore.dot):
            guard self.source == .data else { return self.leadingDot() }
            self.state = .dot
            return .hold
        case (.looseLineStart, SMTPCore.dot):
            return self.leadingDot()
        case (.nul, SMTPCore.dot):
            self.state = .nulDot
            return .hold
        case (.lineStart, carriageReturn), (.looseLineStart, carriageReturn), (.inLine, carriageReturn),
            (.nul, carriageReturn):
            self.state = .cr
            return .hold
        case (.lineStart, lineFeed), (.looseLineStart, lineFeed), (.inLine, lineFeed), (.nul, lineFeed):
            return self.bareLineFeed()

        case (.dot, carriageReturn):
            self.state = .dotCR
            return .hold
        case (.dot, lineFeed) where !self.isPassing:
            // The dot was stuffing, and what it stuffed is an empty line: it must not go on in front of our CRLF.
            return self.bareLineFeed()
        case (.dot, 0) where !self.isPassing:
            // Nor in front of a NUL that somebody drops, or takes for a line end. What it stuffed needs no stuffing.
            return self.dropDot(then: .inLine)
        case (.dot, _):
            return self.stuffingDot(then: .inLine)

        case (.dotCR, lineFeed):
            self.state = .ended
            return .end(consumed: 1)
        case (.dotCR, _):
            return self.isPassing ? self.stuffingDot(then: .cr) : self.dropDot(then: .cr)

        case (.nulDot, _):
            self.state = .inLine
            self.count(1)
            let isAlone = octet == 0 || octet == carriageReturn || octet == lineFeed
            return .write(isAlone ? .stuffedDot : .dot, consumed: 0)

        case (.cr, lineFeed):
            self.state = .lineStart
            self.endLine()
            return .write(.lineEnd, consumed: 1)
        case (.cr, carriageReturn):
            // CR CR LF ends a line, as every CRLF does: a client that keeps a CR of its author's in front of its own line
            // ends stuffs the dot behind it, and ends its message behind it.
            return self.bareCarriageReturn(consumed: 1)
        case (.cr, _):
            self.state = .inLine
            return self.bareCarriageReturn(consumed: 0)

        case (.lineStart, _), (.looseLineStart, _), (.inLine, _), (.nul, _):
            preconditionFailure("a plain octet is part of a run")
        case (.ended, _):
            preconditionFailure("the message has ended: what follows is not part of it")
        }
    }

    private mutating func bareLineFeed() -> Step {
        self.state = .looseLineStart
        self.bareLineFeeds += 1
        self.endLine()
        return .write(.lineEnd, consumed: 1)
    }

    private mutating func bareCarriageReturn(consumed: Int) -> Step {
        self.bareCarriageReturns += 1
        self.count(1)
        return .write(self.isPassing ? .carriageReturn : .space, consumed: consumed)
    }

    /// A dot at the start of a line is content, and there is none before it that stuffs it.
    private mutating func leadingDot() -> Step {
        self.state = .inLine
        self.count(1)
        return .write(self.form == .stuffed ? .stuffedDot : .dot, consumed: 1)
    }

    /// A dot that was held turns out to be stuffing: it goes on in `stuffed` form, and is gone in `content` form.
    private mutating func stuffingDot(then state: State) -> Step {
        self.state = state
        return .write(self.form == .stuffed ? .dot : .nothing, consumed: 0)
    }

    /// A dot that was held turns out to be stuffing that nothing needs.
    private mutating func dropDot(then state: State) -> Step {
        self.state = state
        return .write(.nothing, consumed: 0)
    }
}
