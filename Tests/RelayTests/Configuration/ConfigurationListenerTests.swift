import Routing
import SMTPCore
import Testing

@testable import Relay

@Suite("listeners, in relay.yaml") struct ConfigurationListenerTests {
    private static func text(_ settings: String) -> String {
        RelayConfigurationTests.minimal.replacing("socket: smtp", with: "{socket: smtp, \(settings)}")
    }

    private func listener(_ settings: String) throws -> RelayConfiguration.Listener {
        try #require(try decodeConfiguration(Self.text(settings)).configuration.listeners.first)
    }

    @Test("Without settings a listener has the defaults")
    func defaults() throws {
        let listener = try self.listener("tls: none")
        #expect(listener == RelayConfiguration.Listener(.socket(name: "smtp")))
        #expect(listener.ehlo == nil)
        #expect(listener.isPipeliningStrict)
        #expect(listener.requiresHello)
        #expect(listener.greeting == ["ESMTP ready"])
    }

    static let lists: [(String, ServerExtensions)] = [
        ("[]", []), ("[SIZE]", .size), ("[DSN, PIPELINING]", [.pipelining, .dsn]),
        (
            "[PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, ENHANCEDSTATUSCODES, CHUNKING, LIMITS]",
            [.pipelining, .size, .eightBitMIME, .enhancedStatusCodes, .chunking, .smtpUTF8, .dsn, .limits]
        ),
    ]

    @Test("A configured EHLO list is taken as it is", arguments: lists)
    func extensions(_ list: String, _ expected: ServerExtensions) throws {
        #expect(try self.listener("ehlo: \(list)").ehlo == expected)
    }

    @Test("The words of a listener are read")
    func words() throws {
        let tolerant = try self.listener("pipelining: tolerant, hello: optional")
        #expect(!tolerant.isPipeliningStrict)
        #expect(!tolerant.requiresHello)
        #expect(try self.listener("pipelining: strict, hello: required") == self.listener("tls: none"))
    }

    @Test("A greeting has up to eight lines")
    func greeting() throws {
        #expect(try self.listener("greeting: [ESMTP, \"No spam: here\"]").greeting == ["ESMTP", "No spam: here"])
        #expect(try self.listener("greeting: [a, b, c, d, e, f, g, h]").greeting.count == 8)
        let long = String(repeating: "x", count: 250)
        #expect(try self.listener("greeting: [\(long)]").greeting == [long])
    }

    @Test(
        "A mistake is told with its place and the nearest right word",
        arguments: [
            (
                "ehlo: [PIPELINIG]",
                "2:27: listeners[0].ehlo[0]: \"PIPELINIG\" is not one of PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, "
                    + "ENHANCEDSTATUSCODES, CHUNKING, LIMITS; did you mean \"PIPELINING\"?"
            ),
            (
                "ehlo: [size]",
                "2:27: listeners[0].ehlo[0]: \"size\" is not one of PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, "
                    + "ENHANCEDSTATUSCODES, CHUNKING, LIMITS; did you mean \"SIZE\"?"
            ),
            (
                "ehlo: [XCLIENT]",
                "2:27: listeners[0].ehlo[0]: \"XCLIENT\" is not one of PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, "
                    + "ENHANCEDSTATUSCODES, CHUNKING, LIMITS"
            ),
            ("ehlo: SIZE", "2:26: listeners[0].ehlo: a list is expected here, not \"SIZE\""),
            ("ehlo: [SIZE, DSN, SIZE]", "2:38: listeners[0].ehlo[2]: SIZE is here a second time"),
            (
                "ehlo: [SMTPUTF8]",
                "2:26: listeners[0].ehlo: SMTPUTF8 is announced with 8BITMIME only (RFC 6531 section 3.1)"
            ),
            (
                "pipelining: stirct",
                "2:32: listeners[0].pipelining: \"stirct\" is not one of strict, tolerant; did you mean \"strict\"?"
            ),
            (
                "hello: option",
                "2:27: listeners[0].hello: \"option\" is not one of required, optional; did you mean \"optional\"?"
            ),
            (
                "helo: optional",
                "2:20: listeners[0]: unknown key \"helo\"; did you mean \"ehlo\"?"
            ),
            ("greeting: ready", "2:30: listeners[0].greeting: a list is expected here, not \"ready\""),
            ("greeting: []", "2:30: listeners[0].greeting: it has 0 lines, not 1 to 8"),
            ("greeting: [a, b, c, d, e, f, g, h, i]", "2:30: listeners[0].greeting: it has 9 lines, not 1 to 8"),
            (
                "greeting: [\"a\\r\\n220 b\"]",
                "2:31: listeners[0].greeting[0]: it has a character in it that is not printable ASCII"
            ),
            (
                "greeting: [a, grüß]",
                "2:34: listeners[0].greeting[1]: it has a character in it that is not printable ASCII"
            ),
            (
                "greeting: [\(String(repeating: "x", count: 251))]",
                "2:31: listeners[0].greeting[0]: it has more than 250 octets"
            ),
        ])
    func mistakes(_ settings: String, _ message: String) {
        #expect(configurationErrors(Self.text(settings)) == [message])
    }

    @Test("Two listeners in one place are the same, whatever their settings")
    func samePlace() {
        let text = Self.text("hello: optional").replacing("groups:", with: "  - socket: smtp\ngroups:")
        #expect(configurationErrors(text) == ["3:13: listeners[1]: it is the same as the one in line 2"])
    }

    @Test("Every keyword that is known names one extension, and back")
    func keywords() {
        #expect(ServerExtensions.keywords.count == 13)
        #expect(Set(ServerExtensions.keywords.map(\.keyword)).count == 13)
        for (keyword, known) in ServerExtensions.keywords { #expect(known.keywords == [keyword]) }
        #expect(ServerExtensions([.dsn, .pipelining]).keywords == ["PIPELINING", "DSN"])
    }
}
