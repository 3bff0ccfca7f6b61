import Routing
import SMTPCore
import Testing

@testable import Relay

/// Decodes what follows ``RelayConfigurationTests/minimal``, whose next line is 9, or the whole of `text`.
func decodeConfiguration(_ text: String) throws -> LoadedConfiguration {
    try RelayConfiguration.decode(Array(text.utf8), file: "relay.yaml")
}

/// The errors of a file, as `LINE:COLUMN: MESSAGE`.
func configurationErrors(_ text: String) -> [String] {
    do {
        _ = try RelayConfiguration.decode(Array(text.utf8), file: "relay.yaml")
        return []
    } catch {
        return error.problems.filter { $0.severity == .error }.map { "\($0.line):\($0.column): \($0.message)" }
    }
}

@Suite("message, in relay.yaml") struct ConfigurationMessageTests {
    static let all = """
        {bare-line-ends: reject, nul: reject, longest-line: 2KB, received-limit: 50, received: off, eight-bit: refuse, \
        size: 1MiB, replies: pass}
        """

    private func policy(_ change: (inout DeliveryPolicy) -> Void) -> DeliveryPolicy {
        var policy = DeliveryPolicy()
        change(&policy)
        return policy.normalized
    }

    private static func changed(_ policy: inout DeliveryPolicy) {
        policy.message.bareLineEnds = .reject
        policy.message.nul = .reject
        policy.message.longestLine = 2000
        policy.message.receivedFields = 50
        policy.addsReceived = false
        policy.refusesEightBit = true
        policy.size = 1 << 20
        policy.masksReplies = false
    }

    @Test("Without it the defaults hold everywhere")
    func defaults() throws {
        let text = RelayConfigurationTests.minimal + "lookup: {url: \"http://127.0.0.1/\"}\n"
        let configuration = try decodeConfiguration(text).configuration
        let policy = configuration.groups[0].policy
        #expect(policy == DeliveryPolicy())
        #expect(configuration.lookupPolicy == policy)
        #expect(policy.message.bareLineEnds == .normalize)
        #expect(policy.message.nul == .pass)
        #expect(policy.message.longestLine == 65_536)
        #expect(policy.message.receivedFields == 100)
        #expect(policy.addsReceived)
        #expect(!policy.refusesEightBit)
        #expect(policy.size == nil)
        #expect(policy.masksReplies)
    }

    @Test("Every key is read, at the top, in a group, at a route with backends and for lookups")
    func everywhere() throws {
        let expected = self.policy(Self.changed)
        let text = """
            listeners: [{socket: smtp}]
            groups:
              app: {backends: ["a:1"], message: \(Self.all)}
              plain: {backends: ["b:1"]}
            routes:
              - {recipients: a.de, group: app}
              - {recipients: b.de, backends: ["c:1"], message: \(Self.all)}
              - {recipients: c.de, group: plain}
              - {recipients: d.de, backends: ["d:1"]}
            lookup: {url: "http://127.0.0.1/", message: \(Self.all)}
            """
        let configuration = try decodeConfiguration(text).configuration
        #expect(configuration.groups.map(\.policy) == [expected, DeliveryPolicy()])
        let routes = configuration.routes.map { $0.group?.policy }
        #expect(routes == [expected, expected, DeliveryPolicy(), DeliveryPolicy()])
        #expect(configuration.lookupPolicy == expected)
        let general = try decodeConfiguration(
            text.replacing(", message: \(Self.all)", with: "") + "\nmessage: \(Self.all)\n")
        #expect(general.configuration.routes.allSatisfy { $0.group?.policy == expected })
        #expect(general.configuration.lookupPolicy == expected)
    }

    @Test("The more specific one wins, key by key, wherever in the file it stands")
    func inheritance() throws {
        let text = """
            listeners: [{socket: smtp}]
            groups:
              app: {backends: ["a:1"], message: {nul: pass, longest-line: 0, size: 0}}
              other: {backends: ["b:1"], message: {received: on, replies: mask, eight-bit: pass, received-limit: 0}}
            routes:
              - {recipients: a.de, group: app}
              - {recipients: b.de, group: other}
              - {recipients: c.de, backends: ["c:1"], message: {bare-line-ends: pass}}
            postmaster: other
            lookup: {url: "http://127.0.0.1/", message: {size: 2MiB, bare-line-ends: normalize}}
            message: \(Self.all)
            """
        let configuration = try decodeConfiguration(text).configuration
        let expected = [
            self.policy {
                Self.changed(&$0)
                $0.message.nul = .pass
                $0.message.longestLine = 0
                $0.size = nil
            },
            self.policy {
                Self.changed(&$0)
                $0.addsReceived = true
                $0.masksReplies = true
                $0.refusesEightBit = false
                $0.message.receivedFields = 0
            },
            self.policy {
                Self.changed(&$0)
                $0.message.bareLineEnds = .pass
            },
        ]
        #expect(configuration.routes.compactMap { $0.group?.policy } == expected)
        #expect(configuration.groups.map(\.policy) == Array(expected.prefix(2)))
        #expect(configuration.postmaster?.policy == expected[1])
        let lookup = self.policy {
            Self.changed(&$0)
            $0.message.bareLineEnds = .normalize
            $0.size = 2 << 20
        }
        #expect(configuration.lookupPolicy == lookup)
    }

    @Test(
        "A mistake is told with its place and the nearest right word",
        arguments: [
            ("message: strict", "9:10: message: keys with values is expected here, not \"strict\""),
            ("message: {nil: pass}", "9:11: message: unknown key \"nil\"; did you mean \"nul\"?"),
            (
                "message: {bare-line-end: pass}",
                "9:11: message: unknown key \"bare-line-end\"; did you mean \"bare-line-ends\"?"
            ),
            (
                "message: {bare-line-ends: normalise}",
                "9:27: message.bare-line-ends: \"normalise\" is not one of normalize, reject, pass; "
                    + "did you mean \"normalize\"?"
            ),
            (
                "message: {bare-line-ends: [pass]}",
                "9:27: message.bare-line-ends: a word is expected here, not a list"
            ),
            ("message: {nul: strip}", "9:16: message.nul: \"strip\" is not one of pass, reject"),
            (
                "message: {longest-line: 999}",
                "9:25: message.longest-line: 999 is not from 1000 to 1073741824 octets, or 0 for no limit"
            ),
            (
                "message: {longest-line: long}",
                "9:25: message.longest-line: \"long\" is not a size: "
                    + "write octets, or a number with KB, MB, GB, KiB, MiB or GiB"
            ),
            (
                "message: {received-limit: 9}",
                "9:27: message.received-limit: 9 is not from 10 to 10000, or 0 for no limit"
            ),
            ("message: {received-limit: few}", "9:27: message.received-limit: \"few\" is not a whole number"),
            ("message: {received: true}", "9:21: message.received: \"true\" is not one of on, off"),
            (
                "message: {eight-bit: refused}",
                "9:22: message.eight-bit: \"refused\" is not one of refuse, pass; did you mean \"refuse\"?"
            ),
            (
                "message: {size: 1KB}",
                "9:17: message.size: 1KB is not from 65536 to 1099511627776 octets, or 0 for no limit"
            ),
            (
                "message: {size: 51MiB}",
                "9:17: message.size: 53477376 octets are more than limits.message-size, which is 52428800"
            ),
            (
                "message: {replies: masked}",
                "9:20: message.replies: \"masked\" is not one of mask, pass; did you mean \"mask\"?"
            ),
            (
                "lookup: {url: \"http://x/\", message: {nul: no}}",
                "9:43: lookup.message.nul: \"no\" is not one of pass, reject"
            ),
        ])
    func mistakes(_ text: String, _ message: String) {
        #expect(configurationErrors(RelayConfigurationTests.minimal + text) == [message])
    }

    @Test("A mistake in a group or at a route is told there")
    func mistakesBelow() {
        let minimal = RelayConfigurationTests.minimal
        #expect(
            configurationErrors(minimal.replacing("    backends:", with: "    message: {nul: x}\n    backends:"))
                == ["5:20: groups.app.message.nul: \"x\" is not one of pass, reject"])
        #expect(
            configurationErrors(
                minimal + "  - recipients: b.de\n    backends: [\"b:1\"]\n    message: {received: x}")
                == ["11:25: routes[1].message.received: \"x\" is not one of on, off"])
        #expect(
            configurationErrors(minimal + "    message: {received: off}")
                == ["9:14: routes[0]: a message belongs to backends: write it in the group"])
    }

    @Test("A group's size is bounded by the server's, if that has a bound")
    func sizes() throws {
        let minimal = RelayConfigurationTests.minimal + "message: {size: 1GiB}\n"
        #expect(configurationErrors(minimal).count == 1)
        #expect(configurationErrors(minimal + "limits: {message-size: 1GiB}").isEmpty)
        let configuration = try decodeConfiguration(minimal + "limits: {message-size: 0}").configuration
        #expect(configuration.groups[0].policy.size == 1 << 30)
    }

    @Test("The same backends with another message policy are another destination")
    func destinations() throws {
        let text = RelayConfigurationTests.minimal + "  - {recipients: b.de, backends: [127.0.0.1:2525]}\n"
        #expect(try !decodeConfiguration(text).configuration.leadsToSeveralDestinations)
        let strict = text.replacing("2525]}", with: "2525], message: {nul: reject}}")
        let configuration = try decodeConfiguration(strict).configuration
        #expect(configuration.leadsToSeveralDestinations)
        let destinations = configuration.routes.compactMap(\.group).map { Destination.group($0) }
        #expect(!destinations[0].isSame(as: destinations[1]))
        #expect(destinations[0].isSame(as: destinations[0]))
    }
}
