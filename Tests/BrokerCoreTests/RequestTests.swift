import BrokerCore
import Testing

@Suite struct RequestTests {
    /// Everything that a request says, or `CODE TAG`; `closed` where there is no answer.
    private static func read(_ bytes: [UInt8]) -> String {
        func text(_ range: TextRange) -> String { String(decoding: bytes[range.start..<range.end], as: UTF8.self) }
        do throws(RequestError) {
            let request = try Request(bytes.span)
            var words = ["\(request.verb)", text(request.tag)]
            for index in 0..<request.nameCount { words.append(text(request.names[index])) }
            if request.isExclusive { words.append("exclusive") }
            if request.wait > 0 { words.append("wait=\(request.wait)") }
            if request.spec.count > 0 { words.append("spec=" + text(request.spec)) }
            if request.isReplacing { words.append("replacing") }
            if request.first > 0 { words.append("first=\(request.first)") }
            return words.joined(separator: " ")
        } catch {
            guard let code = error.code else { return "closed" }
            return error.tag.count > 0 ? "\(code.rawValue) \(text(error.tag))" : "\(code.rawValue)"
        }
    }

    private static func read(_ text: String) -> String { Self.read(Array(text.utf8)) }

    /// A request of each verb with no key but those it needs, and the keys that it may have.
    private static let verbs: [(base: String, read: String, keys: Set<String>)] = [
        ("PB1 HELLO t\n", "hello t", ["max"]),
        ("PB1 GET t\nname=a\n", "get t a", ["name", "mode", "wait"]),
        ("PB1 RELEASE t\nname=a\n", "release t a", ["name"]),
        ("PB1 LIST t\n", "list t", ["first"]),
        ("PB1 STAT t\nname=a\n", "stat t a", []),
        ("PB1 STORE t\nname=a\nspec=tcp *:1\n", "store t a spec=tcp *:1", ["replace"]),
        ("PB1 DROP t\nname=a\n", "drop t a", []),
    ]
    /// Every key, with a value that is right for it, and what it changes in the reading.
    private static let keys: [(key: String, value: String, read: String)] = [
        ("name", "b", " b"), ("mode", "exclusive", " exclusive"), ("wait", "60000", " wait=60000"), ("max", "1", ""),
        ("first", "7", " first=7"), ("replace", "1", " replacing"), ("spec", "udp *:2", ""), ("fds", "1", ""),
        ("item", "a", ""), ("text", "a", ""), ("x", "1", ""),
    ]

    @Test("Every verb has its own keys, and any other is a 400")
    func keysOfVerbs() {
        for verb in Self.verbs {
            #expect(Self.read(verb.base) == verb.read)
            #expect(Self.read("\(verb.base)x-more=anything, = twice\nx-=\n") == verb.read)
            for (key, value, effect) in Self.keys {
                let expected = verb.keys.contains(key) ? verb.read + effect : "400 t"
                #expect(Self.read("\(verb.base)\(key)=\(value)\n") == expected, "\(verb.base)\(key)")
            }
        }
    }

    @Test("Of the keys that a verb needs none may be missing")
    func missingKeys() {
        for text in ["GET t", "RELEASE t", "STAT t", "STORE t\nspec=tcp *:1", "STORE t\nname=a", "DROP t"] {
            #expect(Self.read("PB1 \(text)\n") == "400 t", "\(text)")
        }
        #expect(Self.read("PB1 STORE t\nname=a\nspec=\n") == "400 t")
    }

    @Test(
        "A refusal has its code, and the request's tag where that could be read",
        arguments: [
            ("", "closed"), ("PB1 LIST t\r\n", "closed"), ("PB1 LIST t\n\u{0}", "closed"),
            ("PB1 LIST \u{E9}", "closed"),
            ("PB1 LIST t\tx", "closed"), ("\u{7F}", "closed"),
            ("GET / HTTP/1.1", "400"), ("PB1", "400"), ("PB1 LIST", "400"), ("PB1 LIST ", "400"), ("PB1  t", "400"),
            ("PB1 LIST 123456789", "400"), ("PB1 LIST a b", "400"), ("PB1 LIST a-b", "400"), ("\nPB1 LIST t", "400"),
            ("PB2 LIST t", "505"), ("PB1LIST t", "505"), ("PB10 LIST t", "505"),
            ("PB1 WATCH t", "501 t"), ("PB1 REVOKE t\nname=a", "501 t"), ("PB1 TAKEOVER t", "501 t"),
            ("PB1 list t", "501 t"), ("PB1 LISTS t", "501 t"), ("PB1 LIS t\n\n", "501 t"),
            ("PB1 LIST t\n\n", "400 t"), ("PB1 LIST t\nfirst", "400 t"), ("PB1 LIST t\n=1", "400 t"),
            ("PB1 LIST t\nFIRST=1", "400 t"), ("PB1 LIST t\nfirst=1\nfirst=1", "400 t"),
            ("PB1 LIST t\nx-a=1\nx-a=1", "400 t"), ("PB1 LIST t\nx a=1", "400 t"),
            ("PB1 LIST t\nfirst=", "400 t"), ("PB1 LIST t\nfirst=01", "400 t"), ("PB1 LIST t\nfirst=65536", "400 t"),
            ("PB1 LIST t\nfirst=-1", "400 t"), ("PB1 LIST t\nfirst=65535", "list t first=65535"),
            ("PB1 HELLO t\nmax=0", "505 t"), ("PB1 HELLO t\nmax=", "400 t"), ("PB1 HELLO t\nmax=one", "400 t"),
            ("PB1 HELLO t\nmax=65535", "hello t"), ("PB1 HELLO t\nmax=65536", "400 t"),
            ("PB1 GET t\nname=a\nmode=shared", "get t a"), ("PB1 GET t\nname=a\nmode=", "400 t"),
            ("PB1 GET t\nname=a\nmode=Shared", "400 t"), ("PB1 GET t\nname=a\nmode=exclusively", "400 t"),
            ("PB1 GET t\nname=a\nwait=60001", "400 t"), ("PB1 GET t\nname=a\nwait=+1", "400 t"),
            ("PB1 GET t\nname=a\nwait=18446744073709551616", "400 t"), ("PB1 GET t\nname=a\nwait=0", "get t a"),
            ("PB1 GET t\nname=", "400 t"), ("PB1 GET t\nname=a b", "400 t"), ("PB1 GET t\nname=a/b", "400 t"),
            ("PB1 GET t\nname=a\nname=b\nname=a", "400 t"), ("PB1 GET t\nname=a\nname=A", "get t a A"),
            ("PB1 STAT t\nname=a\nname=b", "400 t"), ("PB1 DROP t\nname=a\nname=b", "400 t"),
            ("PB1 STORE t\nname=a\nname=b\nspec=tcp *:1", "400 t"),
            ("PB1 STORE t\nspec=x\nname=a\nreplace=0", "store t a spec=x"),
            ("PB1 STORE t\nname=a\nspec=x\nreplace=", "400 t"), ("PB1 STORE t\nname=a\nspec=x\nreplace=2", "400 t"),
            ("PB1 STORE t\nname=a\nspec=x\nspec=x", "400 t"),
        ])
    func refusal(text: String, expected: String) {
        #expect(Self.read(text) == expected)
    }

    @Test("A request has 32 names and a name 63 bytes; more names are a 413, a longer one is a 400")
    func names() {
        let names = (0..<32).map { "n\($0)" }
        let lines = names.map { "name=\($0)\n" }.joined()
        for verb in ["GET", "RELEASE"] {
            #expect(Self.read("PB1 \(verb) t\n\(lines)") == "\(verb.lowercased()) t " + names.joined(separator: " "))
            #expect(Self.read("PB1 \(verb) t\n\(lines)name=n32") == "413 t")
            #expect(Self.read("PB1 \(verb) t\n\(lines)name=n31") == "400 t")
        }
        let long = String(repeating: "n", count: 63)
        #expect(Self.read("PB1 STAT 12345678\nname=\(long)") == "stat 12345678 \(long)")
        #expect(Self.read("PB1 STAT 12345678\nname=\(long)n") == "400 12345678")
    }

    @Test("A request has 32 keys beside name=, which would take long to compare if they were more; more are a 413")
    func manyKeys() {
        let keys = (0..<32).map { "x-\($0)=\n" }.joined()
        #expect(Self.read("PB1 GET t\nname=a\n\(keys)name=b\n") == "get t a b")
        #expect(Self.read("PB1 GET t\nname=a\n\(keys)x-32=\n") == "413 t")
        #expect(Self.read("PB1 GET t\n\(keys)mode=shared\nname=a\n") == "413 t")
    }

    @Test("A request has 4096 bytes; one more closes the connection")
    func length() {
        let head = "PB1 LIST t\nx-a="
        let text = head + String(repeating: "a", count: 4096 - head.utf8.count)
        #expect(Self.read(text) == "list t")
        #expect(Self.read(text + "a") == "closed")
    }

    /// Requests that have every key between them.
    private static let samples = [
        "PB1 HELLO a1\nmax=1\n", "PB1 GET b\nname=smtp\nname=submission\nmode=exclusive\nwait=5000\nx-q=1\n",
        "PB1 RELEASE c\nname=smtp\nname=s\n", "PB1 LIST d\nfirst=12\n", "PB1 STAT e\nname=smtp\n",
        "PB1 STORE f\nname=smtp\nspec=tcp [::]:25 v6only\nreplace=1\n", "PB1 DROP g\nname=smtp",
    ]

    @Test("A request cut at any offset is read as one that ends there", arguments: samples)
    func cut(sample: String) {
        let bytes = Array(sample.utf8)
        for length in 0...bytes.count {
            let part = Array(bytes.prefix(length))
            #expect(Self.read(part) == ReferenceRequest.read(part), "\(length)")
        }
    }

    @Test("A request with any byte exchanged for any other is read as it then stands", arguments: samples)
    func exchanged(sample: String) {
        var bytes = Array(sample.utf8)
        for offset in bytes.indices {
            let byte = bytes[offset]
            for other in UInt8.min...UInt8.max {
                bytes[offset] = other
                #expect(Self.read(bytes) == ReferenceRequest.read(bytes), "\(offset) \(other)")
            }
            bytes[offset] = byte
        }
    }
}

/// A second reader of requests, which shares no code with the first: docs/pb1.md with strings, slowly.
private enum ReferenceRequest {
    static func read(_ bytes: [UInt8]) -> String {
        guard 1...4096 ~= bytes.count, bytes.allSatisfy({ $0 == 10 || 32...126 ~= $0 }) else { return "closed" }
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        let words = (lines.first ?? "").split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard let head = lines.first, head.count > 4, head.hasPrefix("PB") else { return "400" }
        guard head.hasPrefix("PB1 ") else { return "505" }
        guard words.count == 3, !words[1].isEmpty, words[2].wholeMatch(of: /[A-Za-z0-9]{1,8}/) != nil else {
            return "400"
        }
        let (verb, tag) = (words[1], words[2])
        guard ["HELLO", "GET", "RELEASE", "LIST", "STAT", "STORE", "DROP"].contains(verb) else { return "501 \(tag)" }
        var values: [String: String] = [:]
        var names: [String] = []
        for line in lines.dropFirst() {
            guard let (_, key, value) = line.wholeMatch(of: /([a-z0-9._-]{1,63})=(.*)/)?.output else {
                return "400 \(tag)"
            }
            if let refusal = Self.refusal(of: String(key), String(value), verb, names, values) {
                return "\(refusal) \(tag)"
            }
            if key == "name" { names.append(String(value)) } else { values[String(key)] = String(value) }
        }
        switch verb {
        case "GET", "RELEASE": if names.isEmpty { return "400 \(tag)" }
        case "STAT", "DROP": if names.count != 1 { return "400 \(tag)" }
        case "STORE": if names.count != 1 || values["spec", default: ""].isEmpty { return "400 \(tag)" }
        default: break
        }
        var result = [verb.lowercased(), tag] + names
        if values["mode"] == "exclusive" { result.append("exclusive") }
        if let wait = values["wait"], wait != "0" { result.append("wait=\(wait)") }
        if let spec = values["spec"] { result.append("spec=\(spec)") }
        if values["replace"] == "1" { result.append("replacing") }
        if let first = values["first"], first != "0" { result.append("first=\(first)") }
        return result.joined(separator: " ")
    }

    private static func refusal(
        of key: String, _ value: String, _ verb: String, _ names: [String], _ values: [String: String]
    ) -> Int? {
        func number(upTo limit: Int) -> Int? { Int(value).flatMap { "\($0)" == value && 0...limit ~= $0 ? $0 : nil } }
        if key != "name", values.count == 32 { return 413 }
        if key != "name", values[key] != nil { return 400 }
        if key.hasPrefix("x-") { return nil }
        switch (verb, key) {
        case ("HELLO", "max"): return number(upTo: 65535).map { $0 < 1 ? 505 : nil } ?? 400
        case ("GET", "mode"): return ["shared", "exclusive"].contains(value) ? nil : 400
        case ("GET", "wait"): return number(upTo: 60000) == nil ? 400 : nil
        case ("LIST", "first"): return number(upTo: 65535) == nil ? 400 : nil
        case ("STORE", "spec"): return nil
        case ("STORE", "replace"): return ["0", "1"].contains(value) ? nil : 400
        case ("GET", "name"), ("RELEASE", "name"), ("STAT", "name"), ("STORE", "name"), ("DROP", "name"):
            guard value.wholeMatch(of: /[A-Za-z0-9._-]{1,63}/) != nil, !names.contains(value) else { return 400 }
            return names.count < 32 ? nil : 413
        default: return 400
        }
    }
}
