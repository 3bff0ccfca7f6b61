import Testing

@testable import Relay

@Suite("YAMLTree, the configuration's tree") struct ConfigurationYAMLTreeTests {
    private func tree(_ text: String) -> YAMLTree { YAMLTree(Array(text.utf8)) }

    private func problems(_ text: String) -> [String] {
        self.tree(text).problems.map { "\($0.mark.line):\($0.mark.column): \($0.message)" }
    }

    @Test("Nodes keep their kinds, texts and places")
    func nodes() throws {
        let root = try #require(self.tree("a: 1\nb:\n  - \"x\"\n  - {c: }\n").root)
        guard case .mapping(let entries) = root.content else {
            Issue.record("no mapping")
            return
        }
        #expect(entries.map(\.key) == ["a", "b"])
        #expect(entries[0].value.content == .scalar("1", isPlain: true))
        #expect(entries[0].value.mark == YAMLMark(line: 1, column: 4))
        guard case .sequence(let elements) = entries[1].value.content, case .mapping(let inner) = elements[1].content
        else {
            Issue.record("no sequence")
            return
        }
        #expect(elements[0].content == .scalar("x", isPlain: false))
        #expect(elements[0].mark == YAMLMark(line: 3, column: 5))
        #expect(inner[0].value.isNull)
    }

    @Test("An empty file has no root and no problem", arguments: ["", "\n", "# nothing\n", "---\n...\n"])
    func empty(_ text: String) {
        let tree = self.tree(text)
        #expect(tree.root.map(\.isNull) ?? true)
        #expect(tree.problems.isEmpty)
    }

    @Test(
        "What a configuration should not have is refused where it stands",
        arguments: [
            ("a: &x 1", ["1:4: anchors (&) are not allowed: write the value out"]),
            (
                "a: &x 1\nb: *x",
                [
                    "1:4: anchors (&) are not allowed: write the value out",
                    "2:4: aliases (*) are not allowed: write the value out",
                ]
            ),
            ("a: !!int 1", ["1:4: tags (!) are not allowed"]),
            ("a: !x [1]", ["1:4: tags (!) are not allowed"]),
            ("a: 1\n---\nb: 2", ["2:1: a second document: only one is allowed"]),
            ("a: 1\nb: 2\na: 3", ["3:1: the key \"a\" is here a second time; the first is in line 1"]),
            ("? [a]\n: 1", ["1:3: a key has to be a word"]),
        ])
    func refused(_ text: String, _ expected: [String]) {
        #expect(self.problems(text) == expected)
    }

    @Test(
        "What is not YAML is one problem, at its place",
        arguments: [
            "a: [1, 2", "a: \"x", "a:\n\tb: 1", "a: b: c", "}", "a: 'x", "%YAML 3.0\n---\na: 1", "- a\nb: 1", "a: *",
        ])
    func notYAML(_ text: String) {
        let tree = self.tree(text)
        #expect(tree.root == nil)
        #expect(tree.problems.count == 1)
        #expect(tree.problems.first?.message.hasPrefix("not YAML: ") == true)
    }

    @Test("An octet that is not UTF-8 is found where it stands")
    func notUTF8() {
        let tree = YAMLTree(Array("a: 1\nb: x".utf8) + [0xFF, 0x0A])
        #expect(tree.problems.map(\.mark) == [YAMLMark(line: 2, column: 5)])
    }

    @Test("Depth and size are bounded")
    func bounds() {
        #expect(self.problems(String(repeating: "[", count: 16) + String(repeating: "]", count: 16)).isEmpty)
        #expect(self.problems(String(repeating: "[", count: 5000)) == ["1:17: nested more than 16 deep"])
        let many = self.tree("[" + String(repeating: "1,", count: 200_000) + "]")
        #expect(many.root == nil)
        #expect(many.problems.map(\.message) == ["more than 100000 values"])
    }

    @Test("Cut at every octet, a file is read or refused, and nothing else happens")
    func cuts() {
        let text = Array("a: [1, \"é\"]\nb: {c: 'd', e: |\n  x\n}\n".utf8)
        for end in 0...text.count {
            let tree = YAMLTree(Array(text[..<end]))
            #expect(tree.root == nil || tree.problems.isEmpty)
        }
    }
}
