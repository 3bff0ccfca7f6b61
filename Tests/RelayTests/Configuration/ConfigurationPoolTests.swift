import Routing
import Testing

@testable import Relay

@Suite("pool, in relay.yaml") struct ConfigurationPoolTests {
    private static func text(_ pool: String, _ more: String = "") -> String {
        """
        listeners: [{socket: smtp}]
        routes: [{recipients: "*", group: app}]
        groups:
          app:
            backends: ["a:1"]
            pool: \(pool)
            \(more)

        """
    }

    private func decode(_ pool: String) throws -> RelayConfiguration {
        try decodeConfiguration(Self.text(pool)).configuration
    }

    private func pool(_ text: String) throws -> PoolPolicy {
        try #require(try self.decode(text).groups.first).policy.pool
    }

    @Test("Every key is read, and written in the summary where it is not the default")
    func keys() throws {
        var expected = PoolPolicy()
        (expected.size, expected.idle, expected.age, expected.uses) = (8, .seconds(20), .seconds(3600), 0)
        let configuration = try self.decode("{size: 8, idle: 20s, age: 1h, uses: 0}")
        #expect(configuration.groups.first?.policy.pool == expected)
        #expect(configuration.summary.contains("group app: a:1, pool size 8 idle 20s age 1h uses 0\n"))
        #expect(try self.decode("{warm: 2}").summary.contains("group app: a:1, pool warm 2\n"))
        #expect(try self.decode("{age: 1m}").summary.contains("group app: a:1, pool age 1m\n"))
    }

    @Test("Without a word connections are kept, with off none is")
    func words() throws {
        for text in ["", "on", "{}", "{size: 100, idle: 5s, age: 5m, uses: 100}"] {
            #expect(try self.pool(text) == PoolPolicy(), "\(text)")
            #expect(try self.decode(text).summary.contains("group app: a:1\n"), "\(text)")
        }
        #expect(try self.pool("off").size == 0)
        #expect(try self.decode("off").summary.contains("group app: a:1, pool off\n"))
    }

    @Test("A route with backends and the servers that lookups name have one of their own")
    func elsewhere() throws {
        let text = """
            listeners: [{socket: smtp}]
            routes: [{recipients: "*", backends: ["a:1"], pool: off}]
            lookup: {url: "http://127.0.0.1/", pool: {size: 3}}
            """
        let configuration = try decodeConfiguration(text).configuration
        #expect(configuration.routes[0].group?.policy.pool.size == 0)
        #expect(configuration.lookupPolicy.pool.size == 3)
        #expect(configuration.summary.contains("a:1, pool off\n"))
        #expect(configuration.summary.contains("otherwise: ask http://127.0.0.1:80/, pool size 3"))
    }

    @Test(
        "A mistake is told with its place",
        arguments: [
            ("perhaps", "6:11: groups.app.pool: \"perhaps\" is not one of on, off"),
            ("[1]", "6:11: groups.app.pool: keys with values is expected here, not a list"),
            ("{sise: 1}", "6:12: groups.app.pool: unknown key \"sise\"; did you mean \"size\"?"),
            ("{size: 0}", "6:18: groups.app.pool.size: 0 is not from 1 to 10000"),
            ("{size: many}", "\"many\" is not a whole number"),
            ("{idle: 10m}", "groups.app.pool.idle: 10m is not from 100ms to 5m"),
            ("{idle: 10}", "did you mean \"10s\"?"),
            ("{age: 500ms}", "groups.app.pool.age: 500ms is not from 1s to 24h"),
            ("{idle: 1m, age: 30s}", "6:27: groups.app.pool.age: it is shorter than idle, which is 1m"),
            ("{warm: 2000}", "groups.app.pool.warm: 2000 is not from 0 to 1000"),
            ("{size: 3, warm: 4}", "6:27: groups.app.pool.warm: it is more than size, which is 3"),
            ("{uses: -1}", "\"-1\" is not a whole number"),
            ("{uses: 2000000}", "2000000 is not from 1 to 1000000, or 0 for no limit"),
        ])
    func mistakes(_ pool: String, _ message: String) throws {
        let problems = configurationErrors(Self.text(pool))
        #expect(problems.count == 1 && problems[0].contains(message), "\(problems)")
    }

    @Test("Nobody knows the servers of a lookup before they are needed")
    func warmLookup() {
        let text = """
            listeners: [{socket: smtp}]
            lookup: {url: "http://127.0.0.1/", pool: {warm: 1}}
            """
        let problems = configurationErrors(text)
        #expect(problems == ["2:49: lookup.pool.warm: the servers of a lookup are not known before it answers"])
    }

    @Test("It belongs to backends, at a route, and is nobody's where the backend is told of the client")
    func misplaced() throws {
        let text = """
            listeners: [{socket: smtp}]
            groups: {app: {backends: ["a:1"]}}
            routes: [{recipients: "*", group: app, pool: off}]
            """
        #expect(configurationErrors(text) == ["3:46: routes[0]: a pool belongs to backends: write it in the group"])
        for (more, key) in [("identity: xclient", "identity"), ("auth: login-of-client", "auth")] {
            let warnings = try decodeConfiguration(Self.text("{size: 3}", more)).warnings.map(\.message)
            #expect(
                warnings.contains(
                    "groups.app.pool: with \(key) each client has a connection of its own: there is nothing to keep"),
                "\(warnings)")
        }
        #expect(try decodeConfiguration(Self.text("off", "identity: xclient")).warnings.isEmpty)
    }

    @Test("How connections are kept is nothing to a transaction: routes that differ in it share one")
    func sharing() throws {
        let text = """
            listeners: [{socket: smtp}]
            routes:
              - {recipients: "a.example", backends: ["a:1"], pool: off}
              - {recipients: "b.example", backends: ["a:1"]}
              - {recipients: "c.example", backends: ["a:1"], message: {nul: reject}}
            """
        let groups = try decodeConfiguration(text).configuration.routes.compactMap(\.group)
        #expect(groups[0].sharesTransactions(with: groups[1]))
        #expect(!groups[0].sharesTransactions(with: groups[2]))
    }
}
