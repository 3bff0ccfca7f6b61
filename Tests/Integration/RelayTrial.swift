import Testing

/// What every trial by bad input has in common: a relay that has done its work once, trouble, and a relay that does its
/// work again, with no more descriptors open than before.
struct RelayTrial {
    let network: TestNetwork
    private(set) var backend: ScriptedBackend
    /// Answers the lookups, if the relay asks any.
    private(set) var lookup: ScriptedLookup?
    let relay: RelayUnderTest
    private let idle: Int

    /// - Parameters:
    ///   - asking: the recipients are decided by a lookup on port 80 instead of by a route.
    ///   - more: lines of relay.yaml.
    init(asking: Bool = false, _ more: String = "") throws {
        network = try TestNetwork()
        backend = try ScriptedBackend(network)
        lookup = asking ? try ScriptedLookup(network) { _ in ScriptedLookup.accepting } : nil
        relay =
            asking ? try .asking(in: network, timeout: "2s", more) : try .routed(in: network, more)
        let dialogue = try relay.greeted()
        guard try dialogue.message(to: "user@flxw.de").code == 250, try dialogue.command("QUIT").code == 221,
            try dialogue.isClosed()
        else { throw dialogue.failure("the message before the trouble did not pass") }
        let ready = relay.descriptorsWhenReady
        let (backend, lookup) = (self.backend, self.lookup)
        idle = ready + relay.excess(within: .seconds(5)) { ready + RelayTrial.kept(backend, lookup) }
    }

    /// Puts a new backend in the place of one that was stopped.
    mutating func replaceBackend() throws { backend = try ScriptedBackend(network) }

    /// Puts a new lookup server in the place of one that was stopped.
    mutating func replaceLookup() throws { lookup = try ScriptedLookup(network) { _ in ScriptedLookup.accepting } }

    /// Connections that the relay may keep for later: those that the other side has open too.
    private static func kept(_ backend: ScriptedBackend, _ lookup: ScriptedLookup?) -> Int {
        backend.record.read { $0.open } + (lookup?.open ?? 0)
    }

    /// With peers that behave again, the relay lives, the next message passes, and no descriptor has leaked.
    func expectUnharmed(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try #require(relay.program.isRunning, "the relay ended: \(relay.program.text)", sourceLocation: sourceLocation)
        backend.follow(ScriptedBackend.Script())
        lookup?.give(ScriptedLookup.accepting)
        let content = "Subject: next\r\n\r\nthe next message"
        let before = backend.record.read { $0.messages.count }
        let dialogue = try relay.greeted()
        let reply = try dialogue.message(to: "user@flxw.de", content)
        #expect(reply.code == 250, "the next message: \(reply)", sourceLocation: sourceLocation)
        _ = try dialogue.command("QUIT")
        let after = backend.wait { $0.messages.count > before }
        #expect(after.messages.count == before + 1, sourceLocation: sourceLocation)
        #expect(after.messages.last?.content == content, sourceLocation: sourceLocation)
        let excess = relay.excess { idle + RelayTrial.kept(backend, lookup) }
        #expect(
            excess == 0, "descriptors leaked, \(excess) more than the \(idle) when idle: \(relay.descriptorKinds)",
            sourceLocation: sourceLocation)
    }
}
