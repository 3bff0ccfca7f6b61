import NIOCore
import SMTPCore
import SMTPNIO
import Testing

@Suite struct SMTPClientTranscriptTests {
    static let names = [
        "pipelined", "plain", "closing", "lost", "early", "surplus", "starttls", "starttls-refused", "line-ends",
        "introduction", "421-at-the-dot",
    ]

    @Test("A dialogue goes as recorded, whole and octet by octet", arguments: names)
    func dialogue(name: String) throws {
        let transcript = try ClientTranscript(named: name)
        #expect(try transcript.play() == transcript.outputs)
        #expect(try transcript.play { octets in octets.indices.map { octets[$0...$0] } } == transcript.outputs)
    }

    @Test("Every reply may be cut at every offset", arguments: names)
    func cuts(name: String) throws {
        let transcript = try ClientTranscript(named: name)
        let longest = transcript.inputs.map { if case .server(let octets) = $0 { octets.count } else { 0 } }.max() ?? 0
        for cut in 0...longest {
            let outputs = try transcript.play { octets in
                cut < octets.count ? [octets[..<cut], octets[cut...]] : [octets[...]]
            }
            #expect(outputs == transcript.outputs, "cut at \(cut)")
        }
    }
}
