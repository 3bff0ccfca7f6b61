import Testing

/// A message within a message: no line end but CRLF, and no end of data but CRLF . CRLF, gets past the relay.
///
/// The pieces are cut where the receiver has read what was before, not where a clock says so.
@Suite("Smuggling", .works, .enabled(if: MailTrial.isHere, MailTrial.reason))
struct RelaySmugglingEdgeCases {
    static let backends = ["postfix", "exim", "opensmtpd", "aiosmtpd", "unpatched-aiosmtpd"]

    @Test("2, 3: no sequence, cut anywhere, is two messages at a backend that takes each of them for an end")
    func lenient() async throws { try await MailTrial.run("smuggling.py", "smuggling", "normalize", "lenient") }

    @Test("2, 3: no sequence is two messages at a real server, some of which take it for an end", arguments: backends)
    func real(_ backend: String) async throws {
        try await MailTrial.run("smuggling.py", "smuggling", "normalize", backend)
    }

    @Test(
        "1, 2, 3: where bare line ends are refused, nothing with one arrives, and all else does",
        arguments: ["lenient"] + backends)
    func rejected(_ backend: String) async throws {
        try await MailTrial.run("smuggling.py", "smuggling", "reject", backend)
    }

    @Test("2, 3, 9: where NUL is refused, nothing with one arrives, and all else does")
    func nul() async throws { try await MailTrial.run("smuggling.py", "smuggling", "nul", "lenient") }

    @Test("1, 3: where bare line ends pass, a strict server gets them as they came, in one message")
    func passed() async throws { try await MailTrial.run("smuggling.py", "smuggling", "pass", "aiosmtpd") }

    @Test("2, 3: through nginx, which passes octets as they come, every sequence is two messages")
    func nginx() async throws { try await MailTrial.run("smuggling.py", "nginx") }

    @Test("2, 3, 44: in chunks no sequence is an end, the end of data itself neither")
    func chunks() async throws { try await MailTrial.run("smuggling.py", "chunks") }

    @Test("4, 5: the end of data and what follows it are found wherever the segments are cut")
    func terminator() async throws { try await MailTrial.run("smuggling.py", "terminator") }
}
