/// Counts the `Received:` fields of a message's header as it passes (RFC 5321 section 6.3).
///
/// It reads the message in the form in which it goes on, in pieces of any size, and keeps no octets. A field's name
/// begins a line, in any case, perhaps with white space before its colon (RFC 5322 section 4.5). The header ends with the
/// first empty line; what follows costs nothing. Where bare line ends are passed on, LF alone is a line end here, too: in
/// doubt a field is counted.
public struct ReceivedFieldCounter: Sendable {
    private enum State: Equatable {
        case lineStart
        /// Behind a dot that stuffs the line.
        case stuffed
        /// Behind so many octets of the name.
        case name(Int)
        /// Behind a CR that began a line.
        case emptyLine
        case restOfLine
        case body
    }

    private var state = State.lineStart
    private let isStuffed: Bool
    /// How many fields were seen.
    public private(set) var count: UInt64 = 0

    /// Makes a counter for one message in `form`.
    public init(_ form: MessageFramer.Form) {
        self.isStuffed = form == .stuffed
    }

    /// Whether the header's end has passed.
    public var isComplete: Bool { self.state == .body }

    /// Reads the next octets.
    public mutating func receive(_ octets: Span<UInt8>) {
        var index = 0
        while index < octets.count {
            switch self.state {
            case .body:
                return
            case .restOfLine:
                guard let end = LineScan.firstLineFeed(in: octets, from: index) else { return }
                self.state = .lineStart
                index = end + 1
            case .lineStart, .stuffed, .name, .emptyLine:
                self.receive(octets[index])
                index += 1
            }
        }
    }
}

extension ReceivedFieldCounter {
    /// Reads octets that were written in place of others.
    mutating func receive(_ replacement: MessageFramer.Replacement) {
        guard !self.isComplete else { return }
        for octet in replacement.rawValue.utf8 { self.receive(octet) }
    }

    private static let name: InlineArray<8, UInt8> = [0x52, 0x45, 0x43, 0x45, 0x49, 0x56, 0x45, 0x44]  // RECEIVED

    private mutating func receive(_ octet: UInt8) {
        switch (self.state, octet) {
        case (.body, _):
            break
        case (.lineStart, lineFeed), (.stuffed, lineFeed), (.emptyLine, lineFeed):
            self.state = .body
        case (_, lineFeed):
            self.state = .lineStart
        case (.lineStart, dot) where self.isStuffed:
            self.state = .stuffed
        case (.lineStart, carriageReturn), (.stuffed, carriageReturn):
            self.state = .emptyLine
        case (.lineStart, _), (.stuffed, _):
            self.state = upperCased(octet) == Self.name[0] ? .name(1) : .restOfLine
        case (.name(let count), _) where count < Self.name.count:
            self.state = upperCased(octet) == Self.name[count] ? .name(count + 1) : .restOfLine
        case (.name, UInt8(ascii: ":")):
            self.count += 1
            self.state = .restOfLine
        case (.name, UInt8(ascii: " ")), (.name, UInt8(ascii: "\t")):
            break
        case (.name, _), (.emptyLine, _), (.restOfLine, _):
            self.state = .restOfLine
        }
    }
}
