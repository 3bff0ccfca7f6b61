import Routing
import SMTPCore
import Testing

/// Cases of addresses, from the command line to the route.
@Suite struct RoutingEdgeCases {
    static let app = BackendGroup(name: "app", backends: [Backend(.host("app", port: 2525))])
    static let other = BackendGroup(name: "other", backends: [Backend(.host("other", port: 2525))])

    private func table(
        _ app: [String], other: [String] = [], reject: [String] = [], postmaster: BackendGroup? = nil
    ) throws -> RouteTable {
        let parse = { (texts: [String]) in try texts.map { try RecipientPattern(parsing: $0) } }
        return RouteTable(
            routes: [
                Route(recipients: try parse(reject), target: .reject(.nullMX)),
                Route(recipients: try parse(app), group: Self.app),
                Route(recipients: try parse(other), group: Self.other),
            ], postmaster: postmaster)
    }

    /// The forward-path of `RCPT TO:` and `argument`, as the parser hands it on.
    private func recipient(_ argument: String) throws -> ForwardPath {
        guard case .rcpt(let command) = try CommandParser.command(Array("RCPT TO:\(argument)".utf8).span) else {
            throw CommandSyntaxError.invalidCharacter
        }
        return command.forwardPath
    }

    /// A path that only a client with SMTPUTF8 can have sent.
    private func mailbox(_ localPart: String, _ domain: String) -> ForwardPath {
        .mailbox(Mailbox(localPart: localPart, domain: domain))
    }

    @Test(
        "24: <Postmaster> without a domain, in any case, leads somewhere",
        arguments: ["<Postmaster>", "<postmaster>", "<POSTMASTER>"])
    func bare(_ argument: String) throws {
        let recipient = try self.recipient(argument)
        #expect(try self.table(["flxw.de"], postmaster: Self.other).decide(recipient) == .group(Self.other))
        #expect(try self.table(["postmaster@"], postmaster: Self.other).decide(recipient) == .group(Self.app))
        #expect(try self.table(["*"], postmaster: Self.other).decide(recipient) == .group(Self.app))
    }

    @Test(
        "24: postmaster at each routed domain is routed, in any case",
        arguments: ["<postmaster@flxw.de>", "<PostMaster@FLXW.DE>", "<\"Postmaster\"@flxw.de.>"])
    func atDomain(_ argument: String) throws {
        let recipient = try self.recipient(argument)
        #expect(try self.table(["flxw.de"], postmaster: Self.other).decide(recipient) == .group(Self.app))
        #expect(try self.table(["postmaster@"]).decide(recipient) == .group(Self.app))
        #expect(try self.table(["postmaster@flxw.de"]).decide(recipient) == .group(Self.app))
        // Of flxw.de single mailboxes are taken only: its postmaster is whoever `postmaster:` names.
        #expect(try self.table(["vip@flxw.de"], postmaster: Self.other).decide(recipient) == .group(Self.other))
        #expect(try self.table(["vip@flxw.de"]).decide(recipient) == .noMatch)
        #expect(try self.table(["vip@elsewhere.example"], postmaster: Self.other).decide(recipient) == .noMatch)
        #expect(try self.table([], reject: ["vip@flxw.de"], postmaster: Self.other).decide(recipient) == .noMatch)
    }

    @Test("24: abuse is a mailbox like any other")
    func abuse() throws {
        let table = try self.table(["flxw.de"], reject: ["abuse@"], postmaster: Self.other)
        #expect(table.decide(try self.recipient("<abuse@flxw.de>")) == .reject(.nullMX))
        #expect(table.decide(try self.recipient("<Abuse@flxw.de>")) == .group(Self.app))
    }

    @Test("25: a local-part is compared with its case, a domain without, and without a final dot")
    func letterCase() throws {
        let table = try self.table(["User@flxw.de"], other: ["flxw.de"])
        for argument in ["<User@flxw.de>", "<User@FLXW.DE>", "<User@Flxw.dE.>"] {
            #expect(table.decide(try self.recipient(argument)) == .group(Self.app), "\(argument)")
        }
        for argument in ["<user@flxw.de>", "<USER@FLXW.DE>", "<user.@flxw.de.>"] {
            #expect(table.decide(try self.recipient(argument)) == .group(Self.other), "\(argument)")
        }
    }

    @Test(
        "26: a quoted local-part is routed by the last unquoted @",
        arguments: [
            "<\"a@b\"@x.example>", "<\"a\\\"b\"@x.example>", "<\" \"@x.example>", "<\"\"@x.example>",
            "<\"a\\@b\"@x.example>", "<\"a@other.example>\"@x.example>",
        ])
    func quoted(_ argument: String) throws {
        let table = try self.table(["x.example"], other: ["b", "other.example"])
        let recipient = try self.recipient(argument)
        #expect(table.decide(recipient) == .group(Self.app))
        // What goes on is what came.
        guard case .mailbox(let mailbox) = recipient else { throw CommandSyntaxError.invalidCharacter }
        #expect("<\(mailbox.localPart)@\(mailbox.domain)>" == argument)
    }

    @Test("26: quotes and escapes that are not needed name the same mailbox")
    func requoted() throws {
        let table = try self.table(["user@x.example", "\"a b\"@x.example"])
        for argument in [
            "<user@x.example>", "<\"user\"@x.example>", "<\"us\\er\"@x.example>", "<\"a b\"@x.example>",
            "<\"a\\ b\"@x.example>",
        ] {
            #expect(table.decide(try self.recipient(argument)) == .group(Self.app), "\(argument)")
        }
        for argument in ["<\"User\"@x.example>", "<\"user \"@x.example>", "<\"us\\\\er\"@x.example>"] {
            #expect(table.decide(try self.recipient(argument)) == .noMatch, "\(argument)")
        }
    }

    @Test("27: a source route is not followed; % and ! are letters of the local-part")
    func sourceRoutes() throws {
        let table = try self.table(["c.example"], other: ["a.example", "b.example"])
        for argument in [
            "<@a.example,@b.example:x@c.example>", "<@a.example:x@c.example>", "<x%b.example@c.example>",
            "<b.example!x@c.example>", "<a.example!x%b.example@c.example>",
        ] {
            #expect(table.decide(try self.recipient(argument)) == .group(Self.app), "\(argument)")
        }
        let hack = try self.table(["x%b.example@c.example"])
        #expect(hack.decide(try self.recipient("<x%b.example@c.example>")) == .group(Self.app))
        #expect(hack.decide(try self.recipient("<x@c.example>")) == .noMatch)
        #expect(hack.decide(try self.recipient("<x@b.example>")) == .noMatch)
    }

    @Test("28: an address literal is a key of its own, the same for every spelling of the address")
    func literals() throws {
        let table = try self.table(
            ["[192.0.2.1]", "[IPv6:2001:DB8:0:0::1]", "[tag:Any]"], other: ["192.0.2.1.example", "*.1"])
        for argument in [
            "<a@[192.0.2.1]>", "<a@[IPv6:::ffff:192.0.2.1]>", "<a@[ipv6:::FFFF:c000:201]>",
            "<a@[IPv6:2001:db8::1]>", "<a@[IPV6:2001:0db8:0000:0000:0000:0000:0000:0001]>", "<a@[TAG:any]>",
        ] {
            #expect(table.decide(try self.recipient(argument)) == .group(Self.app), "\(argument)")
        }
        // (The parser refuses two of these; the table must not rely on it.)
        for literal in ["[192.0.2.2]", "[192.0.2.01]", "[2001:db8::1]", "[IPv6:192.0.2.1]"] {
            #expect(table.decide(self.mailbox("a", literal)) == .noMatch, "\(literal)")
        }
    }

    @Test(
        "30: U-labels and A-labels lead to the same route",
        arguments: ["b\u{FC}cher.example", "xn--bcher-kva.example", "XN--Bcher-KVA.Example", "BU\u{308}CHER.example."])
    func internationalized(_ pattern: String) throws {
        let table = try self.table([pattern])
        for domain in [
            "b\u{FC}cher.example", "bu\u{308}cher.example", "B\u{DC}CHER.Example", "b\u{FC}cher.example.",
            "b\u{FC}cher\u{3002}example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE.",
        ] {
            #expect(table.decide(self.mailbox("a", domain)) == .group(Self.app), "\(domain)")
        }
        #expect(table.decide(self.mailbox("a", "bucher.example")) == .noMatch)
        #expect(table.decide(self.mailbox("a", "bu\u{308}ro.example")) == .noMatch)
    }

    @Test("30: the sharp s and the final sigma are letters of their own (IDNA 2008)")
    func nontransitional() throws {
        let table = try self.table(["stra\u{DF}e.example"], other: ["strasse.example"])
        #expect(table.decide(self.mailbox("a", "xn--strae-oqa.example")) == .group(Self.app))
        #expect(table.decide(self.mailbox("a", "stra\u{DF}e.example")) == .group(Self.app))
        #expect(table.decide(self.mailbox("a", "strasse.example")) == .group(Self.other))
    }

    @Test("30: two normal forms of a local-part are two mailboxes")
    func normalForms() throws {
        let table = try self.table(["j\u{F6}rg@x.example"], other: ["jo\u{308}rg@x.example"])
        #expect(table.decide(self.mailbox("j\u{F6}rg", "x.example")) == .group(Self.app))
        #expect(table.decide(self.mailbox("jo\u{308}rg", "x.example")) == .group(Self.other))
        #expect(table.decide(self.mailbox("\"j\u{F6}rg\"", "x.example")) == .group(Self.app))
    }

    @Test(
        "30: a domain that is no internationalized name matches nothing and is refused",
        arguments: [
            "\u{FFFD}.example", "\u{301}a.example", "b\u{FC}cher..example", "xn--\u{FC}.example", "a\u{FF20}b.example",
            "\u{FF0A}.example", "b\u{FC}cher\0.example", "-\u{FC}.example", "[\u{FC}]",
            String(repeating: "\u{FC}", count: 64) + ".example", String(repeating: "\u{FC}.", count: 1000),
        ])
    func unconvertible(_ domain: String) throws {
        let table = try self.table(["*", "a@", "bücher.example"])
        let recipient = self.mailbox("a", domain)
        #expect(table.decide(recipient) == .reject(.noSuchDomain))
        #expect(table.match(recipient) == nil)
        #expect(SMTPReply.noSuchDomain.description.hasPrefix("550 5.1.2 "))
    }

    @Test("71: a route without a destination says 556 5.1.10")
    func nullMX() throws {
        let table = try self.table(["*.example"], reject: ["dead.example"])
        let decision = table.decide(try self.recipient("<a@dead.example>"))
        #expect(decision == .reject(try SMTPReply(parsingRejection: "null-mx")))
        #expect(SMTPReply.nullMX.replyCode == 556)
        #expect(SMTPReply.nullMX.enhancedStatusCode == EnhancedStatusCode(5, 1, 10))
        #expect(table.decide(try self.recipient("<a@alive.example>")) == .group(Self.app))
    }
}
