import Testing

@testable import NginxImport

@Suite struct NginxLexerTests {
    /// Words joined by "|"; a block ends in "{".
    private func tokens(_ text: String) -> [String] { self.tokens(Array(text.utf8)) }

    private func tokens(_ octets: [UInt8]) -> [String] {
        var lexer = NginxLexer(octets)
        var result: [String] = []
        do {
            while true {
                switch try lexer.next() {
                case .statement(let words): result.append(words.map(\.text).joined(separator: "|"))
                case .blockStart(let words): result.append(words.map(\.text).joined(separator: "|") + "{")
                case .blockEnd: result.append("}")
                case .end: return result
                }
            }
        } catch {
            return result + ["\(error.line): \(error.message)"]
        }
    }

    static let texts: [(String, [String])] = [
        ("", []), (" \t\r\n", []), ("# nothing", []), ("a;", ["a"]), ("a b c;", ["a|b|c"]), ("a  b\n\tc ;", ["a|b|c"]),
        ("a{b c;}", ["a{", "b|c", "}"]), ("a { } b;", ["a{", "}", "b"]), ("a # b\nc;", ["a|c"]),
        // A comment begins where a word might, and nowhere else.
        ("a b#c;", ["a|b#c"]), ("a; #}\nb;", ["a", "b"]), ("a \"#\";", ["a|#"]),
        (#"a "b c" 'd;e';"#, ["a|b c|d;e"]), (#"a "";"#, ["a|"]), (#"a '{}';"#, ["a|{}"]), (#"a "it's";"#, ["a|it's"]),
        // Quotes within a word are letters.
        (#"a b"c;"#, ["a|b\"c"]), (#"a b"c d;"#, ["a|b\"c|d"]),
        (#"a "b"c;"#, ["1: unexpected \"c\""]), (#"a "b""c";"#, ["1: unexpected \"\"\""]), (#"a "b");"#, ["a|b|)"]),
        (#"a "b";"#, ["a|b"]), (#"a "b"{}"#, ["a|b{", "}"]), (#"a 'b' ;"#, ["a|b"]),
        // Escapes.
        (#"a "b\"c";"#, ["a|b\"c"]), (#"a 'b\'c';"#, ["a|b'c"]), (#"a b\\c;"#, [#"a|b\c"#]), (#"a b\tc;"#, ["a|b\tc"]),
        (#"a "b\nc\rd";"#, ["a|b\nc\rd"]), (#"a b\;c;"#, [#"a|b\;c"#]), (#"a b\ c;"#, [#"a|b\ c"#]),
        (#"a \d+;"#, [#"a|\d+"#]), (#"a \{;"#, [#"a|\{"#]),
        ("a b\\", ["1: unexpected end of file, expecting \";\" or \"}\""]),
        // Variables are left alone, and their braces open nothing.
        ("a $b;", ["a|$b"]), ("a ${b};", ["a|${b}"]), ("a x${b}y;", ["a|x${b}y"]), ("a $b{c;}", ["a|$b{", "c", "}"]),
        ("a ~^(.*)$ {}", ["a|~^(.*)${", "}"]),
        ("a b", ["1: unexpected end of file, expecting \";\" or \"}\""]),
        ("a\n\"b", ["2: unexpected end of file, expecting \";\" or \"}\""]),
        (";", ["1: unexpected \";\""]), ("{", ["1: unexpected \"{\""]), ("\na }", ["2: unexpected \"}\""]),
        ("}", ["}"]), ("a;;", ["a", "1: unexpected \";\""]), ("\r\na;\r\n", ["a"]), ("\u{FEFF}a;", ["\u{FEFF}a"]),
    ]

    @Test("Texts are split as nginx splits them", arguments: texts)
    func split(_ text: String, _ expected: [String]) { #expect(self.tokens(text) == expected) }

    @Test("A word of 4096 octets is too long, and the line where it began is named")
    func tooLong() {
        #expect(self.tokens("a\n\(String(repeating: "b", count: 4095));").count == 1)
        #expect(
            self.tokens("a\n\(String(repeating: "b", count: 4096));") == [
                "2: too long parameter \"bbbbbbbbbb...\" started"
            ])
        let quoted = "too long parameter, probably missing terminating"
        #expect(self.tokens("a\n\n\"\(String(repeating: "b\n", count: 3000))") == ["3: \(quoted) \"\"\" character"])
        #expect(self.tokens("a '\(String(repeating: ";", count: 5000))';") == ["1: \(quoted) \"'\" character"])
        // (A comment too: it is where nginx's buffer begins.)
        #expect(
            self.tokens("#\(String(repeating: "x", count: 5000))\na;") == [
                "1: too long parameter \"#xxxxxxxxx...\" started"
            ])
        #expect(self.tokens("\(String(repeating: " ", count: 5000))a;") == ["a"])
    }

    @Test("A word that is not UTF-8 says so")
    func octets() throws {
        var lexer = NginxLexer(Array("a ".utf8) + [0xFF] + Array(";".utf8))
        #expect(
            try lexer.next() == .statement([NginxWord(text: "a"), NginxWord(text: "\u{FFFD}", isRepaired: true)]))
        #expect(self.tokens([0x61, 0, 0x3B]) == ["a\0"])
    }
}
