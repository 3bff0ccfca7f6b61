import Testing

@testable import Routing

@Suite struct OctetIndexTests {
    private func number(_ index: OctetIndex, _ text: String, scope: UInt32 = 0, folded: Bool = false) -> Int? {
        let octets = Array(text.utf8)
        let hash = OctetIndex.hash(of: octets.span, folded: folded)
        return index.number(of: octets.span, hash, scope: scope, folded: folded)
    }

    @Test("Strings are numbered in the order in which they came, each once, and found by their number")
    func numbers() {
        var index = OctetIndex()
        #expect(self.number(index, "a") == nil)
        let names = (0..<2_000).map { "name-\($0).example" }
        for (place, name) in names.enumerated() { #expect(index.insert(name.utf8) == place) }
        for (place, name) in names.enumerated() {
            #expect(index.insert(name.utf8) == place)
            #expect(self.number(index, name) == place)
        }
        #expect(index.count == names.count)
        for name in ["", "name-2000.example", "ame-1.example", "name-1.exampl"] {
            #expect(self.number(index, name) == nil, "\(name)")
        }
    }

    @Test("The same octets in two scopes are two strings")
    func scopes() {
        var index = OctetIndex()
        #expect(index.insert("a".utf8) == 0)
        #expect(index.insert("a".utf8, scope: 1) == 1)
        #expect(index.insert("a".utf8, scope: 2) == 2)
        #expect(self.number(index, "a") == 0)
        #expect(self.number(index, "a", scope: 2) == 2)
        #expect(self.number(index, "a", scope: 3) == nil)
    }

    @Test("Upper case is found where it is folded, and nothing but the letters of ASCII is")
    func folding() {
        var index = OctetIndex()
        _ = index.insert("a-z.example[".utf8)
        #expect(self.number(index, "A-Z.Example[", folded: true) == 0)
        #expect(self.number(index, "A-Z.Example[") == nil)
        #expect(self.number(index, "a-z.example{", folded: true) == nil)
        #expect(lowercasedASCII(UInt8(ascii: "@")) == UInt8(ascii: "@"))
        #expect(lowercasedASCII(UInt8(ascii: "[")) == UInt8(ascii: "["))
    }

    @Test("The empty string is one like others")
    func empty() {
        var index = OctetIndex()
        #expect(index.insert("".utf8) == 0)
        #expect(self.number(index, "") == 0)
    }
}
