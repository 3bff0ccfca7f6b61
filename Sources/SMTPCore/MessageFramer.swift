/// Finds the end of a message after DATA, and re-serialises what comes before it (RFC 5321 sections 2.3.8 and 4.1.1.4).
///
/// Only CR LF `.` CR LF ends a message, and only a line that CR LF ended can be the one before it. Lines that end in
/// CRLF pass octet for octet; a bare LF becomes CRLF and a bare CR a space, and a dot that comes to stand at the start
/// of a line by that is stuffed. So whatever a lenient receiver takes for an end of data, none but the caller's own final
/// dot reaches it.
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

    /// Octets to write in place of some that came.
    public enum Replacement: String, Sendable {
        /// CRLF.
        case lineEnd = "\r\n"
        /// A space, for a bare CR.
        case space = " "
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
        /// The message is whole: take `consumed` octets away. What follows them are commands.
        case end(consumed: Int)
        /// The input is empty.
        case needMore
    }

    private enum State: UInt8 {
        /// At the start of a line, after CRLF or at the very beginning.
        case lineStart
        /// At the start of a line that a bare LF, or CR CR LF, ended: a dot here is content.
        case looseLineStart
        /// A dot at the start of a line is held.
        case dot
        /// A dot and a CR at the start of a line are held.
        case dotCR
        /// Within a line.
        case inLine
        /// A CR within a line is held.
        case cr
        /// A CR is held, and the octet before it was a CR.
        case crAfterCR
        /// The end was found.
        case ended
    }

    private var state = State.lineStart
    private let form: Form
    /// Octets of the message so far: CRLF counts two, a stuffing dot and the final one count nothing (RFC 1870 section 5).
    public private(set) var size: UInt64 = 0
    /// How many LF without a CR before them were seen.
    public private(set) var bareLineFeeds: UInt64 = 0
    /// How many CR without a LF behind them were seen.
    public private(set) var bareCarriageReturns: UInt64 = 0

    /// Makes a framer for one message.
    public init(_ form: Form) {
        self.form = form
    }

    /// Looks at the front of `input` and says what to do with it; call again with what is left.
    public mutating func next(_ input: Span<UInt8>) -> Step {
        guard !input.isEmpty else { return .needMore }
        switch self.state {
        case .lineStart, .looseLineStart, .inLine:
            let count = self.plainRun(input)
            return count > 0 ? .pass(count) : self.octet(input[0])
        case .dot, .dotCR, .cr, .crAfterCR, .ended:
            return self.octet(input[0])
        }
    }
}

extension MessageFramer {
    /// Takes the longest run of octets that need no rewriting, and counts them; 0 when the first one needs a closer look.
    private mutating func plainRun(_ input: Span<UInt8>) -> Int {
        var state = self.state
        var index = 0
        var stuffingDots = 0
        scan: while index < input.count {
            if input[index] == MessageFramer.dotOctet, state != .inLine {
                // `..` and `.x` at the start of a line: the dot is stuffing, and goes on as it came.
                guard state == .lineStart, self.form == .stuffed, index + 1 < input.count,
                    input[index + 1] != carriageReturn, input[index + 1] != lineFeed
                else { break }
                stuffingDots += 1
                index += 1
            }
            while index < input.count, input[index] != carriageReturn, input[index] != lineFeed {
                index += 1
                state = .inLine
            }
            guard index + 1 < input.count, input[index] == carriageReturn, input[index + 1] == lineFeed else {
                break scan
            }
            index += 2
            state = .lineStart
        }
        self.state = state
        self.size += UInt64(index - stuffingDots)
        return index
    }

    private static var dotOctet: UInt8 { dot }

    /// Takes one octet where it, or one that is held, may need rewriting.
    private mutating func octet(_ octet: UInt8) -> Step {
        switch (self.state, octet) {
        case (.lineStart, dot):
            self.state = .dot
            return .hold
        case (.looseLineStart, dot):
            self.state = .inLine
            self.size += 1
            return .write(self.form == .stuffed ? .stuffedDot : .dot, consumed: 1)
        case (.lineStart, carriageReturn), (.looseLineStart, carriageReturn), (.inLine, carriageReturn):
            self.state = .cr
            return .hold
        case (.lineStart, lineFeed), (.looseLineStart, lineFeed), (.inLine, lineFeed):
            return self.bareLineFeed()

        case (.dot, carriageReturn):
            self.state = .dotCR
            return .hold
        case (.dot, lineFeed):
            // The dot was stuffing, and what it stuffed is an empty line: it must not go on in front of our CRLF.
            return self.bareLineFeed()
        case (.dot, _):
            return self.stuffingDot(then: .inLine)

        case (.dotCR, lineFeed):
            self.state = .ended
            return .end(consumed: 1)
        case (.dotCR, _):
            return self.stuffingDot(then: .cr)

        case (.cr, lineFeed):
            self.state = .lineStart
            self.size += 2
            return .write(.lineEnd, consumed: 1)
        case (.crAfterCR, lineFeed):
            // CR CR LF: who wrote it may not have taken it for a line end, and so not have stuffed the dot behind it.
            self.state = .looseLineStart
            self.size += 2
            return .write(.lineEnd, consumed: 1)
        case (.cr, carriageReturn), (.crAfterCR, carriageReturn):
            self.state = .crAfterCR
            return self.bareCarriageReturn(consumed: 1)
        case (.cr, _), (.crAfterCR, _):
            self.state = .inLine
            return self.bareCarriageReturn(consumed: 0)

        case (.lineStart, _), (.looseLineStart, _), (.inLine, _):
            preconditionFailure("a plain octet is part of a run")
        case (.ended, _):
            preconditionFailure("the message has ended: what follows is not part of it")
        }
    }

    private mutating func bareLineFeed() -> Step {
        self.state = .looseLineStart
        self.bareLineFeeds += 1
        self.size += 2
        return .write(.lineEnd, consumed: 1)
    }

    private mutating func bareCarriageReturn(consumed: Int) -> Step {
        self.bareCarriageReturns += 1
        self.size += 1
        return .write(.space, consumed: consumed)
    }

    /// A dot that was held turns out to be stuffing: it goes on in `stuffed` form, and is gone in `content` form.
    private mutating func stuffingDot(then state: State) -> Step {
        self.state = state
        return self.form == .stuffed ? .write(.dot, consumed: 0) : .write(.nothing, consumed: 0)
    }
}
