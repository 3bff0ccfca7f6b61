extension MessageFramer {
    /// Takes the longest run of octets that need no rewriting, and counts them; 0 when the first one needs a closer look.
    ///
    /// A run is cut where a line in it could become too long, so that only the first octet of one can be too much.
    @inline(__always)
    mutating func plainRun(_ whole: Span<UInt8>) -> Int {
        let room = self.lineLimit > self.lineLength ? self.lineLimit - self.lineLength : 1
        let input = room < UInt64(whole.count) ? whole.extracting(first: Int(room)) : whole
        var state = self.state
        var index = 0
        scan: while index < input.count {
            let octet = input[index]
            switch octet {
            case carriageReturn:
                guard index + 1 < input.count else { break scan }
                if input[index + 1] == lineFeed {
                    self.endLine()
                    state = .lineStart
                    index += 2
                    continue
                }
                guard self.isPassing else { break scan }
                self.bareCarriageReturns += 1
            case lineFeed:
                guard self.isPassing else { break scan }
                self.bareLineFeeds += 1
            case 0:
                guard !self.stopsAtNUL || index == 0 else { break scan }
                self.nuls += 1
                self.count(1)
                state = .nul
                index += 1
                continue
            case SMTPCore.dot where state != .inLine:
                switch self.meaning(of: input, at: index, state) {
                case .content: break
                case .needsLook: break scan
                case .stuffing:
                    state = .inLine
                    index += 1
                    continue
                }
            default:
                let end = self.regularRun(input, from: index)
                if end > index {
                    state = input[end - 1] == lineFeed ? .lineStart : .inLine
                    index = end
                    continue
                }
            }
            self.count(1)
            state = .inLine
            index += 1
        }
        self.state = state
        return index
    }

    private enum LeadingDot: UInt8 { case content, stuffing, needsLook }

    /// What a dot at the start of a line, or behind a NUL, is.
    private func meaning(of input: Span<UInt8>, at index: Int, _ state: State) -> LeadingDot {
        switch (state, self.source) {
        case (.lineStart, .data):
            // `..` and `.x` at the start of a line: the dot is stuffing, and goes on as it came.
            guard self.form == .stuffed, index + 1 < input.count else { return .needsLook }
            let next = input[index + 1]
            return next == carriageReturn || next == lineFeed || next == 0 ? .needsLook : .stuffing
        case (.lineStart, .chunks), (.looseLineStart, .data), (.looseLineStart, .chunks):
            return self.form == .stuffed ? .needsLook : .content
        case (.nul, .data), (.nul, .chunks):
            return self.guardsNULs ? .needsLook : .content
        case (.inLine, _), (.dot, _), (.dotCR, _), (.nulDot, _), (.cr, _), (.ended, _):
            return .content
        }
    }

    /// Takes octets from an ordinary one at `start` on for as long as they are lines that end in CRLF, do not begin with a
    /// dot and have no NUL; says where it stopped. Most of most messages is one such run.
    @inline(__always)
    private mutating func regularRun(_ input: Span<UInt8>, from start: Int) -> Int {
        var end = LineScan.regularRun(input, from: start)
        guard end > start else { return start }
        // Behind a CR in the run there is a LF.
        if input[end - 1] == carriageReturn { end += 1 }
        self.contentSize += UInt64(end - start)
        if self.lineLimit != .max {
            if let lastLineEnd = LineScan.lastLineFeed(in: input, start..<end) {
                self.lineLength = UInt64(end - lastLineEnd - 1)
            } else {
                self.count(line: end - start)
            }
        }
        return end
    }

    @inline(__always)
    private mutating func count(line octets: Int) {
        self.lineLength += UInt64(octets)
        if self.lineLength > self.lineLimit { self.hasOverlongLine = true }
    }
}
