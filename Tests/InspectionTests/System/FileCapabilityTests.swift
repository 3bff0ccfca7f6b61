import Inspection
import Testing

@Suite struct FileCapabilityTests {
    /// The attribute in words of 32 bits.
    private func attribute(_ words: UInt32...) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
    }

    @Test("What setcap writes is read as getcap shows it")
    func revisions() throws {
        let cases: [([UInt8], FileCapability, String)] = [
            (self.attribute(0x0200_0000, 1 << 10, 0, 0, 0), .init(permitted: 1 << 10), "cap_net_bind_service=p"),
            (
                self.attribute(0x0200_0001, 1 << 10, 0, 0, 0), .init(permitted: 1 << 10, isEffective: true),
                "cap_net_bind_service=ep"
            ),
            (
                self.attribute(0x0300_0000, 1 << 10, 0, 0, 0, 100_000), .init(permitted: 1 << 10, rootID: 100_000),
                "cap_net_bind_service=p"
            ),
            (
                self.attribute(0x0200_0000, 1 << 10, 1 << 12, 1 << 7, 0),
                .init(permitted: 1 << 10 | 1 << 39, inheritable: 1 << 12),
                "cap_net_bind_service,cap 39=p cap 12=i"
            ),
            (
                self.attribute(0x0100_0001, 1 << 10, 0), .init(permitted: 1 << 10, isEffective: true),
                "cap_net_bind_service=ep"
            ),
            (self.attribute(0x0200_0000, 0, 0, 0, 0), .init(permitted: 0), "="),
        ]
        for (bytes, expected, text) in cases {
            let capability = try FileCapability(attribute: bytes)
            #expect(capability == expected)
            #expect(capability.text == text)
        }
    }

    @Test("Another revision or length is an error, however it is cut")
    func malformed() {
        let whole = self.attribute(0x0300_0000, 1 << 10, 0, 0, 0, 7)
        for length in 0..<whole.count {
            #expect(throws: FileCapability.ReadingError.length) {
                try FileCapability(attribute: Array(whole[..<length]))
            }
        }
        #expect(throws: FileCapability.ReadingError.length) { try FileCapability(attribute: whole + [0]) }
        for revision in [0, 4, 255] as [UInt32] {
            #expect(throws: FileCapability.ReadingError.revision) {
                try FileCapability(attribute: self.attribute(revision << 24, 0, 0, 0, 0))
            }
        }
    }
}
