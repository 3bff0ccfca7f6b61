import Testing

@testable import Relay

@Suite struct HopNameTests {
    @Test("The mark is the case of the letters, and is told from how people write the name")
    func marked() {
        var generator = SystemRandomNumberGenerator()
        for name in ["mail.example.org", "MAIL.EXAMPLE.ORG", "ab", "x1-y.z", "Mail.Example.Org"] {
            for _ in 0..<50 {
                let hop = HopName(name, using: &generator)
                #expect(hop.name.lowercased() == name.lowercased())
                #expect(hop.isOurs(hop.name))
                for other in [name, name.lowercased(), name.uppercased(), "", "other.example"] {
                    #expect(!hop.isOurs(other), "\(hop.name) is \(other)")
                }
            }
        }
    }

    @Test(
        "What has no letters to mark is never ours", arguments: ["[192.0.2.1]", "[IPv6:2001:db8::ab]", "1.2", "a", ""])
    func unmarked(_ name: String) {
        var generator = SystemRandomNumberGenerator()
        let hop = HopName(name, using: &generator)
        #expect(hop.name == name)
        #expect(!hop.isOurs(name))
    }
}
