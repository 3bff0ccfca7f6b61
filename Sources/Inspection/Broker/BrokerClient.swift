internal import BrokerCore
package import BrokerIO

/// A connection to the broker that has been greeted.
package struct BrokerClient: ~Copyable {
    /// The most pages of a LIST that are followed; 64 names of 8 sockets need fewer, whatever their length.
    package static var maxPages: Int { 64 }
    /// How long the broker may take for an answer. (A STORE waits for the service manager, 5 s at most.)
    private static var patience: Int32 { 10_000 }

    private let connection: BrokerConnection
    /// Which start of the broker this is.
    package let generation: String
    /// What it can do: `exclusive wait store state`.
    package let features: [String]

    /// Connects to the socket at an absolute path, and says HELLO.
    package init(connectingTo path: String) throws(BrokerFailure) {
        let connection = try Self.connect(path)
        var request = RequestWriter("HELLO", tag: "hello")
        request.append("max", decimal: 1)
        let reply = try Self.exchange(request, tag: "hello", on: connection, "say HELLO to \(path)")
        guard reply.number("version") == 1, let generation = reply.value("generation") else {
            throw BrokerFailure(
                "say HELLO to \(path)", "the answer is not of PB1", advice: "is it postern-broker that listens there?",
                status: 69)
        }
        self.connection = connection
        self.generation = generation
        self.features = reply.value("features")?.split(separator: " ").map(String.init) ?? []
    }

    /// Whether that can be a listener's name: `[A-Za-z0-9._-]{1,63}`.
    package static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.span.isName(TextRange(0, bytes.count))
    }

    /// Who listens on the broker's socket: the effective uid of who called listen(2); nil if the kernel does not say.
    package var peerUID: UInt32? { try? self.connection.peerUser() }

    /// Every socket that the caller may list; follows `next=`, ``maxPages`` pages at most.
    package borrowing func list() throws(BrokerFailure) -> BrokerListing {
        var sockets: [BrokerSocket] = []
        var first = 0
        for _ in 0..<Self.maxPages {
            var request = RequestWriter("LIST", tag: "list")
            if first > 0 { request.append("first", decimal: first) }
            let reply = try Self.exchange(request, tag: "list", on: self.connection, "list the broker's sockets")
            for item in reply.items {
                guard let socket = BrokerSocket(item: item) else { throw Self.unreadable("list the broker's sockets") }
                sockets.append(socket)
            }
            guard reply.value("next") != nil else {
                return BrokerListing(generation: self.generation, sockets: sockets)
            }
            // A page that does not lead on would be asked for again and again.
            guard let next = reply.number("next"), next > first else {
                throw Self.unreadable("list the broker's sockets")
            }
            first = next
        }
        throw BrokerFailure(
            "list the broker's sockets", "more than \(Self.maxPages) pages", advice: "see the broker's log", status: 69)
    }

    /// What the broker says of one name.
    package borrowing func statistics(of name: String) throws(BrokerFailure) -> NameStatistics {
        let reply = try self.ask("STAT", tag: "stat", "stat \"\(name)\"", name)
        guard let statistics = NameStatistics(name, generation: self.generation, reply) else {
            throw Self.unreadable("stat \"\(name)\"")
        }
        return statistics
    }

    /// Gives the broker the sockets of one line of the policy; returns how many it took, and whether the service manager
    /// has confirmed that it keeps them (true without one).
    package borrowing func store(
        _ name: String, spec: String, _ descriptors: borrowing DescriptorList, isReplacing: Bool
    ) throws(BrokerFailure) -> (stored: Int, isConfirmed: Bool) {
        var request = RequestWriter("STORE", tag: "store")
        Self.append("name", name, to: &request)
        Self.append("spec", spec, to: &request)
        if isReplacing { request.append("replace", decimal: 1) }
        let operation = "store \"\(name)\" (\(spec))"
        let reply = try Self.exchange(request, tag: "store", on: self.connection, operation, with: descriptors)
        guard let stored = reply.number("stored") else { throw Self.unreadable(operation) }
        return (stored, reply.value("x-stored") != "unconfirmed")
    }

    /// Makes the broker close its copies; returns how many those were.
    package borrowing func drop(_ name: String) throws(BrokerFailure) -> Int {
        let reply = try self.ask("DROP", tag: "drop", "drop \"\(name)\"", name)
        guard let dropped = reply.number("dropped") else { throw Self.unreadable("drop \"\(name)\"") }
        return dropped
    }
}

extension BrokerClient {
    private static func connect(_ path: String) throws(BrokerFailure) -> BrokerConnection {
        let bytes = Array(path.utf8)
        do throws(SystemError) {
            return try BrokerConnection(to: bytes.span, milliseconds: 5000)
        } catch {
            throw BrokerFailure("connect \(path)", error)
        }
    }

    private borrowing func ask(
        _ verb: StaticString, tag: StaticString, _ operation: String, _ name: String
    ) throws(BrokerFailure) -> BrokerReply {
        var request = RequestWriter(verb, tag: tag)
        Self.append("name", name, to: &request)
        return try Self.exchange(request, tag: tag, on: self.connection, operation)
    }

    private static func append(_ key: StaticString, _ value: String, to request: inout RequestWriter) {
        let bytes = Array(value.utf8)
        request.append(key, bytes.span, TextRange(0, bytes.count))
    }

    /// Sends a request, and returns its reply if that is a 200.
    private static func exchange(
        _ request: RequestWriter, tag: StaticString, on connection: borrowing BrokerConnection, _ operation: String,
        with descriptors: borrowing DescriptorList = DescriptorList()
    ) throws(BrokerFailure) -> BrokerReply {
        let text = request.text
        guard !text.isTruncated else {
            throw BrokerFailure(operation, "longer than a request of PB1 may be", status: 64)
        }
        var bytes: [UInt8] = []
        do throws(ExchangeError) {
            let packet = try connection.exchange(
                text.storage.span.extracting(first: text.count), with: descriptors, milliseconds: self.patience)
            // (What came with it is closed: nothing here asks for descriptors.)
            for index in 0..<packet.text.count { bytes.append(packet.text.storage[index]) }
        } catch {
            throw BrokerFailure(operation, error)
        }
        guard let reply = BrokerReply(reading: bytes, tag: tag) else { throw Self.unreadable(operation) }
        guard reply.code == 200 else { throw BrokerFailure(operation, refusedBy: reply) }
        return reply
    }

    private static func unreadable(_ operation: String) -> BrokerFailure {
        BrokerFailure(
            operation, "the answer cannot be read", advice: "is the broker of the same version as this program?",
            status: 69)
    }
}
