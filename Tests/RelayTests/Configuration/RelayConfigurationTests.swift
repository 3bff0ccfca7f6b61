import AuthHTTP
import NIOCore
import Routing
import Testing

@testable import Relay

@Suite struct RelayConfigurationTests {
    static let minimal = """
        listeners:
          - socket: smtp
        groups:
          app:
            backends: [127.0.0.1:2525]
        routes:
          - recipients: [flxw.de]
            group: app

        """

    private func decode(_ text: String) throws -> LoadedConfiguration {
        try RelayConfiguration.decode(Array(text.utf8), file: "relay.yaml")
    }

    private func group(_ name: String, _ addresses: [String], _ balance: Balance = .roundRobin) throws -> BackendGroup {
        let backends = try addresses.map { Backend(try BackendAddress(parsing: $0)) }
        return BackendGroup(name: name, backends: backends, balance: balance)
    }

    @Test("A minimal file has the defaults for the rest")
    func minimal() throws {
        let loaded = try self.decode(Self.minimal)
        let app = try self.group("app", ["127.0.0.1:2525"])
        let expected = RelayConfiguration(
            listeners: [.init(.socket(name: "smtp"))], groups: [app],
            routes: [Route(recipients: [.domain("flxw.de")], group: app)])
        #expect(loaded == LoadedConfiguration(configuration: expected, warnings: []))
        #expect(expected.limits.messageSize == 52_428_800)
        #expect(expected.timeouts.finalDot == .minutes(9))
        #expect(expected.routeTable.routes == expected.routes)
    }

    @Test("Every key is read")
    func whole() throws {
        let text = """
            server: {name: mail.example.org}
            listeners: [{socket: smtp, tls: none}, {address: "127.0.0.1:2526"}, {address: "[::1]:2526"}]
            groups:
              app:
                backends: [127.0.0.1:2525, {address: "App2.internal:2525", weight: 2}, unix:/run/app.sock]
                balance: least-connections
                identity: none
                tls: none
            routes:
              - recipients: ["vip@flxw.de", "*.flxw.de", "postmaster@"]
                group: app
              - recipients: "*"
                backends: ["[::1]:2525"]
            postmaster: app
            lookup:
              url: http://[::1]:8080/mail/auth?x=1
              timeout: 1s500ms
              headers: {X-Auth-Key: secret, X-Other: "a b"}
            limits: {message-size: 10 MB, recipients: 100, connections: 7, errors: 3, transactions: 0}
            timeouts: {command: 30s, data-block: 1m, connect: 100ms, recipient: 1m30s, data: 10s, final-dot: 5m}
            """
        let configuration = try self.decode(text).configuration
        #expect(configuration.serverName == "mail.example.org")
        #expect(configuration.listeners.map(\.description) == ["socket \"smtp\"", "127.0.0.1:2526", "[::1]:2526"])
        let app = configuration.groups[0]
        #expect(
            app.backends.map(\.address.description) == ["127.0.0.1:2525", "app2.internal:2525", "unix:/run/app.sock"])
        #expect(app.backends.map(\.weight) == [1, 2, 1])
        #expect(app.balance == .leastConnections)
        #expect(configuration.routes[0].group == app)
        #expect(configuration.routes[0].recipients.map(\.description) == ["vip@flxw.de", "*.flxw.de", "postmaster@"])
        #expect(configuration.routes[1].group == (try self.group("routes[1]", ["[::1]:2525"])))
        #expect(configuration.postmaster == app)
        let lookup = try #require(configuration.lookup)
        #expect(lookup.endpoints[0].description == "http://[::1]:8080/mail/auth?x=1")
        #expect(lookup.timeout == .milliseconds(1500))
        #expect(lookup.extraHeaders.map { "\($0.name): \($0.value)" } == ["X-Auth-Key: secret", "X-Other: a b"])
        #expect(configuration.limits.messageSize == 10_000_000)
        #expect(configuration.limits.recipients == 100)
        #expect(configuration.limits.connections == 7)
        #expect(configuration.limits.errors == 3)
        #expect(configuration.limits.transactions == 0)
        #expect(configuration.timeouts.command == .seconds(30))
        #expect(configuration.timeouts.dataBlock == .minutes(1))
        #expect(configuration.timeouts.connect == .milliseconds(100))
        #expect(configuration.timeouts.recipient == .seconds(90))
        #expect(configuration.timeouts.data == .seconds(10))
        #expect(configuration.timeouts.finalDot == .minutes(5))
    }

    @Test("A lookup alone is enough, without groups and routes")
    func lookupOnly() throws {
        let loaded = try self.decode("listeners: [{socket: smtp}]\nlookup: {url: \"http://127.0.0.1/mail/auth\"}\n")
        #expect(loaded.warnings.isEmpty)
        #expect(loaded.configuration.lookup?.timeout == .seconds(5))
        #expect(loaded.configuration.summary.contains("otherwise: ask http://127.0.0.1:80/mail/auth"))
    }

    @Test(
        "A size has a unit or none",
        arguments: [
            ("65536", 65536), ("64KiB", 65536), ("64kib", 65536), ("70KB", 70000), ("1 MiB", 1 << 20), ("0", 0),
            ("1GiB", 1 << 30), ("100000b", 100_000),
        ])
    func sizes(_ text: String, _ octets: Int) throws {
        #expect(
            try self.decode(Self.minimal + "limits: {message-size: \(text)}").configuration.limits.messageSize == octets
        )
    }

    // MARK: Mistakes

    /// Replaces a part of ``minimal`` or adds to it, and has one message.
    struct Mistake: Sendable, CustomTestStringConvertible {
        var replaced = ""
        var text: String
        var message: String
        var testDescription: String { self.text }

        init(_ text: String, _ message: String) { (self.text, self.message) = (text, message) }
        init(_ replaced: String, by text: String, _ message: String) {
            (self.replaced, self.text, self.message) = (replaced, text, message)
        }
    }

    static let mistakes = [
        // Keys.
        Mistake("listners: []", "9:1: unknown key \"listners\"; did you mean \"listeners\"?"),
        Mistake("zebra: 1", "9:1: unknown key \"zebra\""),
        Mistake(
            "limits: {message_size: 1}", "9:10: limits: unknown key \"message_size\"; did you mean \"message-size\"?"),
        Mistake("timeouts: {comand: 1s}", "9:12: timeouts: unknown key \"comand\"; did you mean \"command\"?"),
        Mistake(
            "    group: app", by: "    group: app\n    gruop: app",
            "9:5: routes[0]: unknown key \"gruop\"; did you mean \"group\"?"),
        Mistake("server: {nam: x}", "9:10: server: unknown key \"nam\"; did you mean \"name\"?"),
        Mistake("routes: []", "9:1: the key \"routes\" is here a second time; the first is in line 6"),
        // Not in this version.
        Mistake(
            "socket: smtp", by: "{socket: smtp, tls: startls}",
            "2:25: listeners[0].tls: \"startls\" is not one of none, starttls, required, implicit; did you mean \"starttls\"?"
        ),
        Mistake(
            "socket: smtp", by: "{socket: smtp, lookup: x}",
            "2:28: listeners[0].lookup: keys with values is expected here, not \"x\""),
        Mistake(
            "    backends: [127.0.0.1:2525]", by: "    {backends: [127.0.0.1:2525], identity: xclint}",
            "5:44: groups.app.identity: \"xclint\" is not one of none, xclient, xforward, proxy-v1, proxy-v2; did you mean \"xclient\"?"
        ),
        Mistake(
            "[flxw.de]", by: "[\"/^(a@/\"]",
            "7:18: routes[0].recipients[0]: \"/^(a@/\": missing closing parenthesis, at offset 4 of the expression"),
        // Types.
        Mistake("server: x", "9:9: server: keys with values is expected here, not \"x\""),
        Mistake("server: [x]", "9:9: server: keys with values is expected here, not a list"),
        Mistake(
            "  - socket: smtp", by: "  socket: smtp", "2:3: listeners: a list is expected here, not keys with values"),
        Mistake("postmaster: [app]", "9:13: postmaster: the name of a group is expected here, not a list"),
        Mistake("limits: {errors: few}", "9:18: limits.errors: \"few\" is not a whole number"),
        Mistake("limits: {errors: -1}", "9:18: limits.errors: \"-1\" is not a whole number"),
        Mistake("limits: {errors: []}", "9:18: limits.errors: a whole number is expected here, not a list"),
        Mistake("server: {name: \"\"}", "9:16: server.name: it is empty"),
        // Ranges.
        Mistake("limits: {errors: 0}", "9:18: limits.errors: 0 is not from 1 to 1000"),
        Mistake("limits: {recipients: 99}", "9:22: limits.recipients: 99 is not from 100 to 100000"),
        Mistake(
            "limits: {transactions: 9999999}",
            "9:24: limits.transactions: 9999999 is not from 1 to 1000000, or 0 for no limit"),
        Mistake(
            "limits: {message-size: 1KB}",
            "9:24: limits.message-size: 1KB is not from 65536 to 1099511627776 octets, or 0 for no limit"),
        Mistake(
            "limits: {message-size: 999999999999999999GB}",
            "9:24: limits.message-size: 999999999999999999GB is not from 65536 to 1099511627776 octets, or 0 for no limit"
        ),
        Mistake(
            "limits: {message-size: 5 furlongs}",
            "9:24: limits.message-size: \"5 furlongs\" is not a size: "
                + "write octets, or a number with KB, MB, GB, KiB, MiB or GiB"),
        Mistake(
            "timeouts: {command: 5}",
            "9:21: timeouts.command: \"5\" is not a time: write numbers with ms, s, m or h; did you mean \"5s\"?"),
        Mistake(
            "timeouts: {command: 5 s}",
            "9:21: timeouts.command: \"5 s\" is not a time: write numbers with ms, s, m or h"),
        Mistake("timeouts: {command: 2h}", "9:21: timeouts.command: 2h is not from 1s to 1h"),
        Mistake("timeouts: {final-dot: 10m}", "9:23: timeouts.final-dot: 10m is not from 1s to 9m50s"),
        Mistake("timeouts: {recipient: 5m}", "9:23: timeouts.recipient: 5m is not from 1s to 4m50s"),
        // Listeners.
        Mistake(
            "socket: smtp", by: "socket: a b",
            "2:13: listeners[0].socket: \"a b\" is not a name: 1 to 63 letters, digits, \".\", \"_\" or \"-\""),
        Mistake("socket: smtp", by: "tls: none", "2:5: listeners[0]: it needs a socket or an address"),
        Mistake(
            "socket: smtp", by: "{socket: smtp, address: \"127.0.0.1:2526\"}",
            "2:29: listeners[0]: it has a socket and an address: one listener is one of them"),
        Mistake(
            "socket: smtp", by: "address: 127.0.0.1:25",
            "2:14: listeners[0].address: port 25 is below 1024, which takes a privilege: name a socket instead (socket: smtp)"
        ),
        Mistake(
            "socket: smtp", by: "address: localhost:2526",
            "2:14: listeners[0].address: \"localhost\" is not an IP address: write 127.0.0.1:2526 or [::]:2526"),
        Mistake(
            "socket: smtp", by: "address: 127.0.0.1",
            "2:14: listeners[0].address: \"127.0.0.1\" has no port: write HOST:PORT"),
        Mistake("  - socket: smtp", by: "  []", "2:3: listeners: there has to be one at least"),
        Mistake("  - socket: smtp", by: "", "1:1: there are no listeners"),
        Mistake(
            "socket: smtp", by: "socket: smtp\n  - socket: smtp",
            "3:13: listeners[1]: it is the same as the one in line 2"),
        // Groups and backends.
        Mistake(
            "    backends: [127.0.0.1:2525]\n", by: "    backends: [127.0.0.1:2525]\n  a b: {backends: [\"a:1\"]}\n",
            "6:3: groups: \"a b\" is not a name: 1 to 63 letters, digits, \".\", \"_\" or \"-\""
        ),
        Mistake("[127.0.0.1:2525]", by: "[]", "5:15: groups.app.backends: there has to be one at least"),
        Mistake("backends: [127.0.0.1:2525]", by: "balance: first", "4:3: groups.app: it has no backends"),
        Mistake("[127.0.0.1:2525]", by: "[app]", "5:16: groups.app.backends[0]: \"app\" has no port: write HOST:PORT"),
        Mistake(
            "[127.0.0.1:2525]", by: "[{weight: 1}]", "5:16: groups.app.backends[0]: it has no address"),
        Mistake(
            "[127.0.0.1:2525]", by: "[{address: \"a:1\", weight: 0}]",
            "5:41: groups.app.backends[0].weight: 0 is not from 1 to 1000"),
        Mistake(
            "[127.0.0.1:2525]", by: "[127.0.0.1:2525, {address: 127.0.0.1:2525}]",
            "5:42: groups.app.backends[1]: 127.0.0.1:2525 is here a second time; a weight gives it more"),
        Mistake(
            "    backends: [127.0.0.1:2525]", by: "    backends: [127.0.0.1:2525]\n    balance: robin",
            "6:14: groups.app.balance: \"robin\" is not one of round-robin, least-connections, first; "
                + "did you mean \"round-robin\"?"),
        // Routes.
        Mistake(
            "group: app", by: "group: ap", "8:12: routes[0].group: no group is named \"ap\"; did you mean \"app\"?"),
        Mistake("postmaster: root", "9:13: postmaster: no group is named \"root\""),
        Mistake("    group: app", by: "", "7:5: routes[0]: it needs a group, backends, a lookup or reject"),
        Mistake(
            "    group: app", by: "    group: app\n    backends: [\"a:1\"]",
            "9:15: routes[0]: it has a group and backends: one route leads to one of them"),
        Mistake(
            "recipients: [flxw.de]", by: "recipients: []", "7:17: routes[0].recipients: there has to be one at least"),
        Mistake("  - recipients: [flxw.de]\n    group", by: "  - group", "7:5: routes[0]: it has no recipients"),
        Mistake(
            "routes:\n  - recipients: [flxw.de]\n    group: app", by: "routes: []",
            "1:1: there are no routes and no lookup: every recipient would be refused"),
        // Loops.
        Mistake(
            "socket: smtp", by: "address: 0.0.0.0:2525",
            "5:16: groups.app.backends[0]: 127.0.0.1:2525 is this relay's own listener (line 2): mail would go in circles"
        ),
        // Lookup.
        Mistake("lookup: {timeout: 5s}", "9:9: lookup: it has no url"),
        Mistake("lookup: {url: x}", "9:15: lookup.url: \"x\" is not a URL that begins with http:// or https://"),
        Mistake(
            "lookup: {url: \"http://x:0/\"}", "9:15: lookup.url: the port \"0\" is not a number from 1 to 65535"),
        Mistake(
            "lookup: {url: \"http://x/\", headers: {Host: x}}",
            "9:38: lookup.headers: Host is sent by the relay itself, or would change the request"),
        Mistake(
            "lookup: {url: \"http://x/\", headers: {X-A: \"a\\r\\nAuth-User: b\"}}",
            "9:38: lookup.headers: the value of X-A has a control character in it"),
        Mistake("admin: {allow: [root]}", "9:8: admin: it has no socket"),
    ]

    @Test("A mistake is told with its place and the nearest right word", arguments: mistakes)
    func mistake(_ mistake: Mistake) throws {
        let text =
            mistake.replaced.isEmpty
            ? Self.minimal + mistake.text : Self.minimal.replacing(mistake.replaced, with: mistake.text)
        let error = #expect(throws: ConfigurationError.self) { try self.decode(text) }
        let errors = (error?.problems ?? []).filter { $0.severity == .error }.map { $0.description(file: "relay.yaml") }
        #expect(errors == ["relay.yaml:" + mistake.message])
    }

    @Test("All mistakes are told at once, in the order of the file")
    func several() {
        let text = """
            listners: []
            listeners: [{socket: smtp, tls: implicit}, {address: "127.0.0.1:25"}]
            groups:
              app: {backends: [nowhere], balance: robin}
            routes:
              - {recipients: ["a b"], group: app}
            limits: {errors: none}
            """
        let error = #expect(throws: ConfigurationError.self) { try self.decode(text) }
        #expect(error?.problems.map(\.line) == [1, 2, 2, 4, 4, 6, 7])
        #expect(error?.description.split(separator: "\n").count == 7)
    }

    @Test(
        "What is hardly meant is a warning",
        arguments: [
            (
                "groups:\n  app:", "groups:\n  old:\n    backends: [\"a:1\"]\n  app:",
                "4:3: warning: groups.old: nothing leads to this group"
            ),
            (
                "[flxw.de]", "[flxw.de, FLXW.de.]",
                "7:27: warning: routes[0].recipients[1]: line 7 takes these recipients already"
            ),
            (
                "[flxw.de]", "[\"*\", a.example]",
                "7:23: warning: routes[0].recipients[1]: line 7 takes these recipients already"
            ),
            (
                "routes:", "admin: {socket: /run/x.sock, allow: [root, nobody-has-this-name]}\nroutes:",
                "6:44: warning: admin.allow[1]: there is no user \"nobody-has-this-name\" on this system"
            ),
        ])
    func warnings(_ replaced: String, _ text: String, _ message: String) throws {
        let loaded = try self.decode(Self.minimal.replacing(replaced, with: text))
        #expect(loaded.warnings.map { $0.description(file: "relay.yaml") } == ["relay.yaml:" + message])
    }

    @Test("An empty file is an error", arguments: ["", "# nothing\n", "---\n"])
    func empty(_ text: String) {
        #expect(throws: ConfigurationError.self) { try self.decode(text) }
    }

    @Test("Cut at every octet, a file is used or refused with a place")
    func cuts() {
        let octets = Array((Self.minimal + "limits: {message-size: 1MiB}\n").utf8)
        for end in 0..<octets.count {
            do {
                _ = try RelayConfiguration.decode(Array(octets[..<end]), file: "relay.yaml")
            } catch {
                #expect(error.problems.contains { $0.severity == .error && $0.line > 0 && $0.column > 0 })
            }
        }
    }
}
