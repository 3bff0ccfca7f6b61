/// `{fd:NAME}` or `{fd:NAME:SOCKET}` in an ARG.
struct Placeholder {
    /// Where it stands.
    var range: TextRange
    /// Its NAME's place on the command line.
    var place: Int
    /// Which of the NAME's sockets, from 0.
    var socket: Int
}

/// The placeholders of an ARG, one after the other. What begins like one and is none is an error: passed on as it is,
/// it would be a descriptor's number that is missing.
struct PlaceholderReader {
    private var offset = 0

    /// The next one; nil at the end.
    mutating func next(
        in text: Span<UInt8>, _ options: Options, _ arguments: Arguments
    ) throws(Failure) -> Placeholder? {
        guard let start = Self.first(in: text, from: self.offset) else { return nil }
        let end = text.firstOffset(of: UInt8(ascii: "}"), in: TextRange(start, text.count))
        let inner = TextRange(start + 4, Swift.max(start + 4, end))
        let name = TextRange(inner.start, text.firstOffset(of: UInt8(ascii: ":"), in: inner))
        let socket = name.end == inner.end ? 0 : text.decimal(at: TextRange(name.end + 1, inner.end), upTo: 63)
        guard end < text.count, let socket, let place = options.place(of: name, in: text, arguments) else {
            throw Failure(.usage) {
                $0.append(quoted: text, TextRange(start, Swift.min(start + 80, Swift.min(end + 1, text.count))))
                $0.append(": a placeholder is {fd:NAME} or {fd:NAME:0}, of one of the NAMEs (see --help)")
            }
        }
        self.offset = end + 1
        return Placeholder(range: TextRange(start, end + 1), place: place, socket: Int(socket))
    }

    /// Where the first one begins that begins at `offset` or behind it; nil if there is none.
    static func first(in text: Span<UInt8>, from offset: Int = 0) -> Int? {
        var start = offset
        while start < text.count {
            start = text.firstOffset(of: UInt8(ascii: "{"), in: TextRange(start, text.count))
            if text.begins(TextRange(start, text.count), with: "{fd:") { return start }
            start += 1
        }
        return nil
    }
}

/// Whether an ARG has a placeholder; fails if one is wrong, as far as the command line shows it.
func checkPlaceholders(_ arguments: Arguments, _ options: Options) throws(Failure) -> Bool {
    var hasSome = false
    for index in (options.command + 1)..<arguments.count {
        try arguments.withBytes(index) { text throws(Failure) in
            var reader = PlaceholderReader()
            while try reader.next(in: text, options, arguments) != nil { hasSome = true }
        }
    }
    return hasSome
}

/// Every ARG that has a placeholder, with the numbers in their places and a NUL behind it, in order: 64 KiB in all.
func expandArguments(_ obtained: borrowing Obtained) throws(Failure) -> TextBuffer<65536> {
    let (arguments, options) = (obtained.arguments, obtained.options)
    var output = TextBuffer<65536>()
    for index in (options.command + 1)..<arguments.count {
        try arguments.withBytes(index) { text throws(Failure) in
            var reader = PlaceholderReader()
            var end = 0
            while let found = try reader.next(in: text, options, arguments) {
                guard let number = obtained.number(found.place, found.socket) else {
                    throw Failure(.usage) {
                        $0.append(quoted: text, found.range)
                        $0.append(": the NAME has fewer sockets; they are counted from 0")
                    }
                }
                output.append(text, TextRange(end, found.range.start))
                output.append(decimal: number)
                end = found.range.end
            }
            guard end > 0 else { return }
            output.append(text, TextRange(end, text.count))
            output.append(0)
        }
    }
    guard !output.isTruncated else { throw Failure(.usage, "the ARGs with placeholders are above 64 KiB together") }
    return output
}
