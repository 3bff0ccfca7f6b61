import Routing
import Testing

@Suite struct RegularExpressionTests {
    private func match(_ expression: String, _ subject: String) throws -> RegularExpression.Outcome {
        try RegularExpression(parsing: expression).match(Array(subject.utf8).span, with: MatchMemory())
    }

    @Test(
        "An expression matches somewhere in a mailbox",
        arguments: [
            ("/^list-.*@/", "list-a@x.example", true), ("/^list-.*@/", "List-a@x.example", false),
            ("/^list-.*@/i", "LIST-a@x.example", true), ("/@x\\.example$/", "a@x.example", true),
            ("/@x\\.example$/", "a@x.example.org", false), ("/@x\\.example$/", "a@x.example\n", false),
            ("/a/b/", "xa/bx", true), ("/^.@/", "\u{FC}@x", true), ("/^\u{FC}@/i", "\u{DC}@x", true),
            ("/^(?:a|b)+@/", "abab@x", true), ("/^(.)(.)(.)@/", "abc@x", true), ("/^\\d{3}@/", "12@x", false),
            ("/(?=x)/", "", false),
        ])
    func matching(_ expression: String, _ subject: String, _ isMatched: Bool) throws {
        #expect(try self.match(expression, subject) == (isMatched ? .matched : .notMatched))
    }

    @Test(
        "An expression that backtracks without bound is refused",
        arguments: [
            "/^(a+)+$/", "/^([a-z]+)*!/", "/^(?:[a-z0-9]+-?)+!/", "/(x+x+)+y|(a|aa)+!/",
            "/^(([a-z])+.)+[A-Z]([a-z])+$/",
            "/^(.*)*(.*)*(.*)*[!?]$/",
        ])
    func backtracking(_ expression: String) {
        let error = #expect(throws: PatternError.self) { try RegularExpression(parsing: expression) }
        #expect(error?.message.contains("it backtracks beyond all bounds, as with \"") == true, "\(error as Any)")
    }

    @Test(
        "An expression of everyday's has bounds to spare",
        arguments: [
            "/^list-.*@/", "/^(.+)-(.+)@(.+)$/", "/^[^@]+\\+[^@]+@/", "/^(?:abuse|hostmaster|webmaster)@/i",
            "/^[a-z]+\\.[a-z]+@(?:.+\\.)?example\\.(?:org|net)$/", "/^.*-.*-.*@/", "/^.*\\..*\\..*@example\\.org$/",
            "/^(.*)-(.*)-(.*)@[^@]*x$/",
        ])
    func everyday(_ expression: String) throws {
        _ = try RegularExpression(parsing: expression)
    }

    @Test("A match that goes beyond its bounds says so, and the next one is none the worse for it")
    func exceeded() throws {
        // None of the mailboxes that are tried beforehand has a q in it.
        let expression = try RegularExpression(parsing: "/^(q+)+$/")
        let memory = MatchMemory()
        let subject = Array((String(repeating: "q", count: 64) + "@x").utf8)
        for _ in 0..<3 {
            #expect(expression.match(subject.span, with: memory) == .exceeded)
            #expect(expression.match(Array("qqq".utf8).span, with: memory) == .matched)
        }
        // Only less can be asked for than is allowed.
        let greedy = try RegularExpression(parsing: "/(*LIMIT_MATCH=4000000000)^(q+)+$/")
        #expect(greedy.match(subject.span, with: memory) == .exceeded)
    }

    @Test("One expression serves many threads at once")
    func threads() async throws {
        let expression = try RegularExpression(parsing: "/^([a-m]+)-([n-z]+)@/")
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let memory = MatchMemory()
                    return (0..<2_000).allSatisfy { round in
                        let isTaken = (round + number).isMultiple(of: 2)
                        let subject = Array((isTaken ? "abc-xyz@x" : "xyz-abc@x").utf8)
                        return expression.match(subject.span, with: memory) == (isTaken ? .matched : .notMatched)
                    }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }

    @Test("Expressions are the same where they are written alike")
    func sameness() throws {
        let one = try RegularExpression(parsing: "/a/")
        #expect(try one == RegularExpression(parsing: "/a/"))
        #expect(try one != RegularExpression(parsing: "/a/i"))
        #expect(try one != RegularExpression(parsing: "/b/"))
        #expect(try Set([one, RegularExpression(parsing: "/a/")]).count == 1)
        #expect(try RegularExpression(parsing: "/a\\/b/i").description == "/a\\/b/i")
    }
}
