import Logging
import NIOCore
import NIOEmbedded
import Routing
import SMTPCore
import SMTPNIO
import Testing

@testable import Relay

/// A client's session, as far as the pool is concerned.
private final class Client: SMTPClientDelegate {
    private(set) var failure: SMTPClientFailure?
    private(set) var answers: [String] = []

    func clientReady() {}
    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) { self.answers.append("\(reply)") }
    func clientFailed(_ failure: SMTPClientFailure) { self.failure = failure }
    func clientWritabilityChanged(_ isWritable: Bool) {}
}

/// An event loop with its pool, whose clock the test sets, and backends that the test plays.
private final class Trial {
    /// A connection with its first client; `kept` is what the pool has of it.
    struct Connected {
        let kept: BackendConnection
        let channel: EmbeddedChannel
        let client = Client()

        /// What was written to the backend.
        func written() throws -> String {
            var result = ""
            while let octets = try self.channel.readOutbound(as: ByteBuffer.self) { result += String(buffer: octets) }
            return result
        }

        func backendSays(_ text: String) throws {
            try self.channel.writeInbound(ByteBuffer(string: text))
        }
    }

    private final class Clock {
        var elapsed = TimeAmount.zero
    }

    let loop = EmbeddedEventLoop()
    let state: RelayState
    let sweep: SessionSweep
    let groups: GroupStates
    let pool: BackendPool
    let view: LoopView
    private let clock = Clock()
    private var group: BackendGroup

    var elapsed: TimeAmount {
        get { self.clock.elapsed }
        set { self.clock.elapsed = newValue }
    }

    init(backends: Int = 1, _ change: (inout BackendGroup) -> Void = { _ in }) throws {
        var group = BackendGroup(
            name: "app", backends: (0..<backends).map { Backend(.ip(.v4(0x7F00_0001), port: UInt16(2001 + $0))) },
            balance: .first)
        change(&group)
        self.group = group
        self.state = RelayState(try Self.snapshot(group))
        self.view = LoopView(self.state)
        self.sweep = SessionSweep(eventLoop: self.loop)
        self.groups = GroupStates(
            eventLoop: self.loop, directory: self.state.groups,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        self.pool = BackendPool(sweep: self.sweep, view: self.view) { [clock] in .now() + clock.elapsed }
        self.groups.drainHook = { [weak pool] in pool?.drain($0) }
        self.groups.restsHook = { [weak pool] in pool?.holds(.endpoint(ObjectIdentifier($0))) ?? false }
        self.groups.shedHook = { [weak pool] in pool?.shed($0) }
    }

    deinit { self.groups.shutDown() }

    private static func snapshot(_ group: BackendGroup) throws -> RelaySnapshot {
        let configuration = RelayConfiguration(
            listeners: [.init(.address(.v4(0x7F00_0001), port: 2526))], groups: [group],
            routes: [Route(recipients: [.everyone], group: group)], postmaster: nil, lookup: nil)
        return try RelaySnapshot(configuration, hostName: "mx.example")
    }

    func reload(_ change: (inout BackendGroup) -> Void = { _ in }) throws {
        change(&self.group)
        self.state.replace(try Self.snapshot(self.group))
        self.loop.run()
    }

    var endpoints: [Endpoint] { self.state.groups.table["app"]?.members.map(\.endpoint) ?? [] }
    /// The sessions that each place counts.
    var counts: [Int] { self.endpoints.map(\.connections) }

    func choose(excluding tried: [Endpoint] = [], mayBorrow: Bool = true) -> GroupState.Choice {
        self.groups.choose(self.group, excluding: tried, mayBorrow: mayBorrow)
    }

    /// A connection whose backend greeted.
    func connect(excluding tried: [Endpoint] = [], pipelining: Bool = true) throws -> Connected {
        guard case .place(let place) = self.choose(excluding: tried) else {
            Issue.record("no place")
            throw CancellationError()
        }
        let channel = EmbeddedChannel(handlers: [], loop: self.loop)
        let client = Client()
        let handler = SMTPClientHandler(name: "mx.example", sweep: self.sweep, delegate: client)
        handler.onClose { place.end() }
        try channel.pipeline.syncOperations.addHandler(handler)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 2525), promise: nil)
        let kept = BackendConnection(
            handler: handler, address: place.endpoint.name, policy: place.policy, endpoint: nil,
            backend: place.endpoint.configured, place: place, shelf: .endpoint(ObjectIdentifier(place.endpoint)),
            snapshot: self.view.snapshot)
        let connected = Connected(kept: kept, channel: channel)
        kept.handler.serve(connected.client)
        try connected.backendSays("220 app1.inner.example ESMTP\r\n")
        try connected.backendSays(
            "250\(pipelining ? "-app1.inner.example\r\n250 PIPELINING" : " app1.inner.example")\r\n")
        _ = try connected.written()
        kept.established()
        return connected
    }

    /// So many connections at one place, all of which wait.
    func rest(_ count: Int, excluding tried: [Endpoint] = []) throws -> [Connected] {
        let all = try (0..<count).map { _ in try self.connect(excluding: tried) }
        for connected in all { #expect(self.pool.put(connected.kept)) }
        return all
    }

    func take(_ place: Int = 0) -> BackendConnection? {
        self.pool.take(.endpoint(ObjectIdentifier(self.endpoints[place])), for: self.view.snapshot)
    }

    func place(toWarm index: Int) -> EndpointPlace? {
        self.groups.placeToWarm(self.group, at: self.endpoints[index])
    }

    /// Waits for a place; whether there was one.
    func wait(excluding tried: [Endpoint] = []) -> () -> EndpointPlace? {
        final class Outcome { var choice: GroupState.Choice? }
        let outcome = Outcome()
        _ = self.groups.wait(for: self.group, excluding: tried, atMost: .minutes(1)) { outcome.choice = $0 }
        return {
            guard case .place(let place)? = outcome.choice else { return nil }
            return place
        }
    }
}

private let mail = MailCommand(.mailbox(SMTPCore.Mailbox(localPart: "a", domain: "b.example")))
private let path = RecipientCommand(.mailbox(SMTPCore.Mailbox(localPart: "c", domain: "d.example")))

@Suite struct BackendPoolTests {
    @Test("The one that was used last is taken first, and its place counts all the time")
    func lastFirst() throws {
        let trial = try Trial()
        let all = try trial.rest(3)
        #expect(trial.pool.count == 3 && trial.counts == [3] && trial.endpoints[0].load == 0)
        for connected in all.reversed() { #expect(trial.take() === connected.kept) }
        #expect(trial.take() == nil && trial.counts == [3] && trial.endpoints[0].load == 3)
        for connected in all { connected.channel.close(promise: nil) }
        trial.loop.run()
        #expect(trial.counts == [0] && trial.endpoints[0].load == 0)
    }

    @Test("What it is asked next is told to its next client alone, behind RSET in the same write")
    func nextClient() throws {
        let trial = try Trial()
        let first = try trial.rest(1)[0]
        let next = Client()
        let taken = try #require(trial.take())
        taken.serve(next)
        #expect(taken.isReused)
        taken.handler.begin(mail, path)
        #expect(try first.written() == "RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")
        try first.backendSays("250 reset\r\n250 sender\r\n250 recipient\r\n")
        #expect(next.answers == ["250 recipient"] && first.client.answers.isEmpty)
    }

    @Test("A transaction that its client left open is reset before the next one, also where nothing is pipelined")
    func openTransaction() throws {
        let trial = try Trial()
        let connected = try trial.connect(pipelining: false)
        connected.kept.handler.begin(mail, path)
        #expect(try connected.written() == "MAIL FROM:<a@b.example>\r\n")
        #expect(!trial.pool.put(connected.kept), "an answer is outstanding")
        try connected.backendSays("250 sender\r\n")
        _ = try connected.written()
        try connected.backendSays("250 recipient\r\n")
        #expect(trial.pool.put(connected.kept))
        let next = Client()
        let taken = try #require(trial.take())
        taken.serve(next)
        #expect(taken.handler.mailVerdict == .none)
        taken.handler.begin(mail, path)
        #expect(try connected.written() == "RSET\r\n")
    }

    @Test("RSET refused ends it: nobody's MAIL is taken on it", arguments: ["450 no", "502 what", "421 bye"])
    func resetRefused(_ reply: String) throws {
        let trial = try Trial()
        let connected = try trial.rest(1)[0]
        let next = Client()
        let taken = try #require(trial.take())
        taken.serve(next)
        taken.handler.begin(mail, path)
        try connected.backendSays("\(reply)\r\n250 sender\r\n250 recipient\r\n")
        guard case .session(let error)? = next.failure else {
            Issue.record("\(String(describing: next.failure))")
            return
        }
        #expect(error.code == .unexpectedReply || error.code == .serviceClosing)
        #expect(next.answers.isEmpty && !taken.handler.isConnected)
        trial.loop.run()
        #expect(trial.counts == [0])
    }

    @Test("Who has waited for `idle` goes, with QUIT, and the others stay")
    func idle() throws {
        let trial = try Trial()
        let old = try trial.rest(1)[0]
        trial.elapsed = .seconds(3)
        let young = try trial.rest(1)[0]
        trial.elapsed = .seconds(6)
        #expect(trial.pool.deadline <= .now() + trial.elapsed)
        trial.pool.deadlineExpired()
        #expect(try old.written() == "QUIT\r\n" && young.written() == "" && trial.pool.count == 1)
        #expect(trial.pool.deadline > .now() + trial.elapsed)
        old.channel.close(promise: nil)
        trial.loop.run()
        #expect(trial.counts == [1] && old.client.failure == nil)
    }

    @Test("With `age` one goes though it has hardly waited, and is not kept any more")
    func age() throws {
        let trial = try Trial { $0.policy.pool.age = .seconds(20) }
        let connected = try trial.rest(1)[0]
        trial.elapsed = .seconds(18)
        let taken = try #require(trial.take())
        #expect(trial.pool.put(taken))
        trial.elapsed = .seconds(21)
        trial.pool.deadlineExpired()
        #expect(try connected.written() == "QUIT\r\n" && trial.pool.count == 0)
        let other = try trial.connect()
        trial.elapsed = .seconds(42)
        #expect(!trial.pool.put(other.kept))
    }

    @Test("It serves `uses` transactions, or without a bound any number")
    func uses() throws {
        for (uses, served) in [(1, 1), (3, 3), (0, 50)] {
            let trial = try Trial { $0.policy.pool.uses = uses }
            let connection = try trial.connect().kept
            var count = 0
            while count < 50, trial.pool.put(connection) {
                try #require(trial.take() === connection)
                connection.serve(Client())
                connection.begins()
                count += 1
            }
            #expect(count == served)
        }
    }

    @Test("A client that keeps one, since the pool is full, uses it as often and for as long as the pool would")
    func stays() throws {
        let trial = try Trial { $0.policy.pool.uses = 3 }
        let connection = try trial.connect().kept
        for _ in 0..<3 {
            #expect(connection.mayServeAgain(now: .now()))
            connection.begins()
        }
        #expect(!connection.mayServeAgain(now: .now()) && !trial.pool.put(connection))
        let aged = try Trial { ($0.policy.pool.age, $0.policy.pool.uses) = (.seconds(20), 0) }
        let old = try aged.connect().kept
        #expect(old.mayServeAgain(now: .now() + .seconds(19)) && !old.mayServeAgain(now: .now() + .seconds(21)))
    }

    @Test("So many as are to be warm outlast `idle`, but not `age`")
    func warm() throws {
        let trial = try Trial { ($0.policy.pool.warm, $0.policy.pool.age) = (2, .seconds(60)) }
        let all = try trial.rest(3)
        trial.elapsed = .seconds(30)
        trial.pool.deadlineExpired()
        #expect(try all.map { try $0.written() } == ["QUIT\r\n", "", ""] && trial.pool.count == 2)
        trial.elapsed = .seconds(61)
        trial.pool.deadlineExpired()
        #expect(trial.pool.count == 0)
    }

    @Test("Nothing is warmed where a backend is full, drained or ejected, or somebody waits for a place")
    func placeToWarm() throws {
        let trial = try Trial(backends: 2) { ($0.backends[0].maxConnections, $0.policy.pool.warm) = (1, 1) }
        #expect(trial.place(toWarm: 0) != nil && trial.place(toWarm: 0) == nil, "it is full")
        #expect(trial.place(toWarm: 1) != nil)
        _ = trial.state.groups.drain(trial.endpoints[1], true)
        trial.loop.run()
        #expect(trial.place(toWarm: 1) == nil)
        _ = trial.state.groups.drain(trial.endpoints[1], false)
        trial.loop.run()
        #expect(trial.place(toWarm: 1) != nil)
        for _ in 0..<10 { trial.place(toWarm: 1)?.failed() }
        #expect(trial.place(toWarm: 1) == nil, "it is ejected")
        let bound = try Trial { ($0.maxConnections, $0.policy.pool.warm) = (1, 1) }
        let place = try #require(bound.place(toWarm: 0))
        let waiter = bound.wait()
        place.end()
        #expect(bound.place(toWarm: 0) == nil)
        bound.loop.run()
        #expect(waiter() != nil)
    }

    @Test("`size` is for each place, and 0 keeps none")
    func size() throws {
        let trial = try Trial(backends: 2) { $0.policy.pool.size = 2 }
        _ = try trial.rest(2)
        #expect(try !trial.pool.put(trial.connect().kept))
        _ = try trial.rest(2, excluding: [trial.endpoints[0]])
        #expect(trial.pool.count == 4)
        let off = try Trial { $0.policy.pool.size = 0 }
        #expect(try !off.pool.put(off.connect().kept))
    }

    @Test(
        "Where the backend is told of the client nobody else has its connection",
        arguments: [BackendIdentity.xclient, .xforward, .proxyV1, .proxyV2])
    func identities(_ identity: BackendIdentity) throws {
        let trial = try Trial { $0.policy.identity = identity }
        let connected = try trial.connect()
        #expect(!connected.kept.isShareable && !trial.pool.put(connected.kept))
    }

    @Test("Who logs in there has a connection of his own, and so has who logs in as himself")
    func logins() throws {
        let user = BackendLogin.user(ClientCredentials(user: Array("u".utf8), password: Secret(Array("p".utf8))))
        for login in [BackendLogin.client, user] {
            let trial = try Trial { $0.policy.login = login }
            let connected = try trial.connect()
            #expect(!connected.kept.isShareable && !trial.pool.put(connected.kept))
        }
    }

    @Test("A reload lets all go within a second; who began before it has none of the new ones")
    func reload() throws {
        let trial = try Trial()
        let old = try trial.rest(2)
        let before = trial.view.snapshot
        let running = try trial.connect()
        try trial.reload()
        #expect(trial.take() == nil && !trial.pool.put(running.kept))
        trial.loop.advanceTime(by: .seconds(1))
        for connected in old { #expect(try connected.written() == "QUIT\r\n") }
        #expect(trial.pool.count == 0)
        _ = try trial.rest(1)
        #expect(trial.pool.take(.endpoint(ObjectIdentifier(trial.endpoints[0])), for: before) == nil)
        #expect(trial.take() != nil)
    }

    @Test("What was made before a reload goes when the first one after it comes to wait")
    func reloadAndPut() throws {
        let trial = try Trial()
        let old = try trial.rest(1)[0]
        try trial.reload()
        _ = try trial.rest(1)
        #expect(try old.written() == "QUIT\r\n" && trial.pool.count == 1)
    }

    @Test("A place that is drained, or gone, has none; the others stay")
    func drained() throws {
        let trial = try Trial(backends: 2)
        let first = try trial.rest(1)[0]
        let second = try trial.rest(1, excluding: [trial.endpoints[0]])[0]
        let running = try trial.connect()
        _ = trial.state.groups.drain(trial.endpoints[0], true)
        trial.loop.run()
        #expect(try first.written() == "QUIT\r\n" && second.written() == "")
        #expect(!trial.pool.put(running.kept))
    }

    @Test(
        "Whatever a backend says to one that waits ends it, and nobody gets to know",
        arguments: ["421 4.3.2 bye\r\n", "250 what\r\n", "nonsense\r\n", "\r\n"])
    func saysSomething(_ text: String) throws {
        let trial = try Trial()
        let connected = try trial.rest(1)[0]
        try connected.backendSays(text)
        trial.loop.run()
        #expect(trial.pool.count == 0 && trial.take() == nil && !connected.channel.isActive)
        #expect(trial.counts == [0] && trial.endpoints[0].load == 0 && connected.client.failure == nil)
        #expect(trial.endpoints[0].health == BackendHealth())
    }

    @Test("A backend that closes is noticed")
    func closes() throws {
        let trial = try Trial()
        let connected = try trial.rest(2)[0]
        connected.channel.close(promise: nil)
        trial.loop.run()
        #expect(trial.pool.count == 1 && trial.counts == [1] && trial.endpoints[0].load == 0)
        #expect(trial.take() != nil && trial.take() == nil)
    }

    @Test("Half a reply that nobody asked for is nobody's answer", arguments: ["250", "250-more\r\n"])
    func halfReply(_ text: String) throws {
        let trial = try Trial()
        let all = try trial.rest(2)
        try all[1].backendSays(text)
        #expect(trial.take() === all[0].kept)
        #expect(trial.take() == nil)
        trial.loop.run()
        #expect(!all[1].channel.isActive && trial.counts == [1])
        // The same where the session had begun to say so before it was left.
        let last = try trial.connect()
        try last.backendSays(text)
        #expect(!trial.pool.put(last.kept))
    }

    @Test("When the relay stops those that wait say QUIT, and none waits any more")
    func shutDown() throws {
        let trial = try Trial()
        let all = try trial.rest(2)
        let running = try trial.connect()
        trial.pool.shutDown()
        for connected in all { #expect(try connected.written() == "QUIT\r\n") }
        #expect(!trial.pool.put(running.kept) && trial.pool.count == 0)
    }

    @Test("A pool whose connections have all been taken is swept no more")
    func rests() throws {
        let trial = try Trial()
        _ = try trial.rest(1)
        let before = trial.sweep.count
        let taken = try #require(trial.take())
        trial.elapsed = .seconds(6)
        trial.pool.deadlineExpired()
        #expect(trial.sweep.count == before - 1)
        trial.elapsed = .zero
        #expect(trial.pool.put(taken) && trial.sweep.count == before)
    }

    @Test("The names that replies are masked by are the backend's and the listener's, and no client's")
    func mapping() throws {
        let trial = try Trial()
        let connected = try trial.rest(1)[0]
        let reply = SMTPReply(550, .init(5, 1, 1), "says app1.inner.example")
        #expect(connected.kept.mapping(to: "mx.example").relayed(reply, known: []).lines == ["says mx.example"])
        let taken = try #require(trial.take())
        taken.serve(Client())
        #expect(taken.mapping(to: "mx.example").relayed(reply, known: []).lines == ["says mx.example"])
        #expect(taken.mapping(to: "other.example").relayed(reply, known: []).lines == ["says other.example"])
        // What one client said of itself is known for that client's replies alone.
        let known = ["app1.inner.example"]
        #expect(taken.mapping(to: "mx.example").relayed(reply, known: known).lines == ["says app1.inner.example"])
        #expect(taken.mapping(to: "mx.example").relayed(reply, known: []).lines == ["says mx.example"])
    }
}

@Suite struct BackendPoolPlaceTests {
    @Test("At a bound who comes has the one that waits; its place is counted once")
    func atTheBound() throws {
        let trial = try Trial { $0.backends[0].maxConnections = 1 }
        let connected = try trial.rest(1)[0]
        guard case .place(let place) = trial.choose() else {
            Issue.record("the connection that waits has a place")
            return
        }
        #expect(trial.counts == [1], "nobody ever sees more")
        #expect(trial.take() === connected.kept)
        place.end()
        #expect(trial.counts == [1])
        guard case .full = trial.choose() else {
            Issue.record("nothing waits any more")
            return
        }
    }

    @Test("One that is not for a session gives way to it: they are not both there")
    func givesWay() throws {
        let trial = try Trial { $0.backends[0].maxConnections = 2 }
        let all = try trial.rest(2)
        guard case .place(let place) = trial.choose() else {
            Issue.record("the connections that wait have places")
            return
        }
        trial.pool.giveWay(.endpoint(ObjectIdentifier(trial.endpoints[0])))
        trial.loop.run()
        #expect(try all[0].written() == "QUIT\r\n" && !all[0].channel.isActive && all[1].channel.isActive)
        place.end()
        #expect(trial.counts == [1])
        guard case .place(let own) = trial.choose(mayBorrow: false) else {
            Issue.record("the place of the one that went is free")
            return
        }
        #expect(own.isCounted && trial.counts == [2])
        guard case .full = trial.choose(mayBorrow: false) else {
            Issue.record("there is a place beyond the limit")
            return
        }
        own.end()
        #expect(trial.counts == [1])
        trial.pool.giveWay(.server(try SocketAddress(ipAddress: "127.0.0.1", port: 25)))
        #expect(trial.pool.count == 1)
    }

    @Test("Somebody on another loop wants a place: the oldest goes at each place of the group, and no other group's")
    func shed() throws {
        let trial = try Trial(backends: 2)
        let first = try trial.rest(2)
        let second = try trial.rest(1, excluding: [trial.endpoints[0]])
        trial.pool.shed("other")
        #expect(trial.pool.count == 3)
        trial.pool.shed("app")
        #expect(try first[0].written() == "QUIT\r\n" && second[0].written() == "QUIT\r\n" && first[1].written() == "")
        #expect(trial.pool.count == 1)
        for connected in [first[0], second[0]] { connected.channel.close(promise: nil) }
        trial.loop.run()
        #expect(trial.counts == [1, 0] && trial.endpoints.map(\.load) == [0, 0])
    }

    @Test("A group's place that a connection keeps at another backend is given back for who waits on the same loop")
    func groupBound() throws {
        let trial = try Trial(backends: 2) { $0.maxConnections = 1 }
        let connected = try trial.rest(1)[0]
        let tried = [trial.endpoints[0]]
        guard case .full = trial.choose(excluding: tried) else {
            Issue.record("the group's only place is taken")
            return
        }
        let place = trial.wait(excluding: tried)
        trial.loop.run()
        #expect(try connected.written() == "QUIT\r\n")
        connected.channel.close(promise: nil)
        trial.loop.run()
        #expect(place()?.endpoint === trial.endpoints[1] && trial.counts == [0, 1])
    }

    @Test("A connection that comes to wait is at once for who waits for a place")
    func forWhoWaits() throws {
        let trial = try Trial { $0.maxConnections = 1 }
        let connected = try trial.connect()
        let place = trial.wait()
        trial.loop.run()
        #expect(place() == nil && trial.pool.put(connected.kept))
        trial.loop.run()
        #expect(place() != nil && trial.take() === connected.kept)
    }
}
