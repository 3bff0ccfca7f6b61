/// Splits the octets of an nginx.conf into directives, as nginx's `ngx_conf_read_token()` does.
///
/// ```text
/// listen 25;            -> statement ["listen", "25"]
/// server {              -> blockStart ["server"]
/// }                     -> blockEnd
/// ```
///
/// Words end at blanks, `;` and `{`. `"…"` and `'…'` hold anything; `\"`, `\'`, `\\`, `\t`, `\r` and `\n` are escapes inside
/// and outside quotes, any other `\` stays as it is. `${` does not open a block. `#` begins a comment where a word might
/// begin. A word, and a comment, has less than 4096 octets: that is nginx's buffer.
struct NginxLexer {
    enum Token: Equatable {
        case statement([NginxWord])
        case blockStart([NginxWord])
        case blockEnd
        case end
    }

    /// What is wrong, and in which line.
    struct Failure: Error, Equatable {
        var line: Int
        var message: String
    }

    /// nginx's NGX_CONF_BUFFER.
    static let longestWord = 4096

    private let octets: [UInt8]
    private var position = 0
    /// The line of what was read last, from 1.
    private(set) var line = 1

    init(_ octets: [UInt8]) {
        self.octets = octets
    }
}

/// A word of a directive.
struct NginxWord: Equatable, Sendable {
    /// The word with its escapes resolved.
    var text: String
    /// What is not UTF-8 was replaced in `text`.
    var isRepaired = false
}

/// Where the lexer is within a directive.
private struct Progress {
    enum Quote { case none, single, double }

    var words: [NginxWord] = []
    var start: Int
    var startLine: Int
    /// The last octet was a blank, or nothing was before it.
    var isBetweenWords = true
    /// A quoted word has ended, and only what may follow it may come.
    var needsSpace = false
    var isInComment = false
    /// The next octet stands for itself.
    var isEscaped = false
    /// The last octet was a `$`.
    var isVariable = false
    var quote = Quote.none
}

extension NginxLexer {
    /// Reads on to the end of the next directive, block or file.
    mutating func next() throws(Failure) -> Token {
        var progress = Progress(start: self.position, startLine: self.line)
        while true {
            guard self.position < self.octets.count else {
                guard progress.words.isEmpty, progress.isBetweenWords else {
                    throw self.failure("unexpected end of file, expecting \";\" or \"}\"")
                }
                return .end
            }
            if self.position - progress.start == Self.longestWord { throw self.tooLong(progress) }
            let octet = self.octets[self.position]
            self.position += 1
            if octet == .lineFeed {
                self.line += 1
                progress.isInComment = false
            }
            if progress.isInComment { continue }
            if progress.isEscaped {
                progress.isEscaped = false
                continue
            }
            if progress.needsSpace {
                switch octet {
                case .space, .tab, .carriageReturn, .lineFeed:
                    progress.isBetweenWords = true
                    progress.needsSpace = false
                    continue
                case UInt8(ascii: ";"): return .statement(progress.words)
                case UInt8(ascii: "{"): return .blockStart(progress.words)
                case UInt8(ascii: ")"):
                    progress.isBetweenWords = true
                    progress.needsSpace = false
                default: throw self.failure("unexpected \"\(Self.shown(octet))\"")
                }
            }
            if progress.isBetweenWords {
                if let token = try self.begin(octet, &progress) { return token }
            } else {
                if let token = self.go(on: octet, &progress) { return token }
            }
        }
    }

    /// The first octet of a word, or a blank before one.
    private func begin(_ octet: UInt8, _ progress: inout Progress) throws(Failure) -> Token? {
        progress.start = self.position - 1
        progress.startLine = self.line
        switch octet {
        case .space, .tab, .carriageReturn, .lineFeed: return nil
        case UInt8(ascii: ";"), UInt8(ascii: "{"):
            guard !progress.words.isEmpty else { throw self.failure("unexpected \"\(Self.shown(octet))\"") }
            return octet == UInt8(ascii: ";") ? .statement(progress.words) : .blockStart(progress.words)
        case UInt8(ascii: "}"):
            guard progress.words.isEmpty else { throw self.failure("unexpected \"}\"") }
            return .blockEnd
        case UInt8(ascii: "#"):
            progress.isInComment = true
            return nil
        case UInt8(ascii: "\\"): progress.isEscaped = true
        case UInt8(ascii: "\""):
            progress.start += 1
            progress.quote = .double
        case UInt8(ascii: "'"):
            progress.start += 1
            progress.quote = .single
        case UInt8(ascii: "$"): progress.isVariable = true
        default: break
        }
        progress.isBetweenWords = false
        return nil
    }

    /// Another octet of a word, or the one behind it.
    private func go(on octet: UInt8, _ progress: inout Progress) -> Token? {
        if octet == UInt8(ascii: "{"), progress.isVariable { return nil }
        progress.isVariable = false
        switch octet {
        case UInt8(ascii: "\\"):
            progress.isEscaped = true
            return nil
        case UInt8(ascii: "$"):
            progress.isVariable = true
            return nil
        default: break
        }
        switch (progress.quote, octet) {
        case (.double, UInt8(ascii: "\"")), (.single, UInt8(ascii: "'")):
            progress.quote = .none
            progress.needsSpace = true
        case (.none, .space), (.none, .tab), (.none, .carriageReturn), (.none, .lineFeed), (.none, UInt8(ascii: ";")),
            (.none, UInt8(ascii: "{")):
            progress.isBetweenWords = true
        case (.none, _), (.double, _), (.single, _):
            return nil
        }
        progress.words.append(Self.word(self.octets[progress.start..<self.position - 1]))
        // (The blank behind a word is no beginning of the next: nginx counts its length from the octet after it.)
        if progress.isBetweenWords {
            if octet == UInt8(ascii: ";") { return .statement(progress.words) }
            if octet == UInt8(ascii: "{") { return .blockStart(progress.words) }
        }
        return nil
    }

    private static func word(_ octets: ArraySlice<UInt8>) -> NginxWord {
        var word: [UInt8] = []
        word.reserveCapacity(octets.count)
        var index = octets.startIndex
        while index < octets.endIndex {
            let octet = octets[index]
            index += 1
            if octet == UInt8(ascii: "\\"), index < octets.endIndex {
                let escaped: UInt8? =
                    switch octets[index] {
                    case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"): octets[index]
                    case UInt8(ascii: "t"): .tab
                    case UInt8(ascii: "r"): .carriageReturn
                    case UInt8(ascii: "n"): .lineFeed
                    default: nil
                    }
                if let escaped {
                    word.append(escaped)
                    index += 1
                    continue
                }
            }
            word.append(octet)
        }
        if let text = String(validating: word, as: UTF8.self) { return NginxWord(text: text) }
        return NginxWord(text: String(decoding: word, as: UTF8.self), isRepaired: true)
    }

    private func tooLong(_ progress: Progress) -> Failure {
        let text =
            switch progress.quote {
            case .double: "too long parameter, probably missing terminating \"\"\" character"
            case .single: "too long parameter, probably missing terminating \"'\" character"
            case .none:
                "too long parameter \""
                    + Printable.text(String(decoding: self.octets[progress.start..<progress.start + 10], as: UTF8.self))
                    + "...\" started"
            }
        return Failure(line: progress.startLine, message: text)
    }

    private func failure(_ message: String) -> Failure { Failure(line: self.line, message: message) }

    private static func shown(_ octet: UInt8) -> String { Printable.text(String(decoding: [octet], as: UTF8.self)) }
}

extension UInt8 {
    fileprivate static let tab: UInt8 = 0x09
    fileprivate static let lineFeed: UInt8 = 0x0A
    fileprivate static let carriageReturn: UInt8 = 0x0D
    fileprivate static let space: UInt8 = 0x20
}
