/// What a request asks for.
package enum Verb: UInt8, Sendable {
    case hello = 1
    case get, release, list, stat, store, drop
    /// WATCH, REVOKE, TAKEOVER, and whatever else is not known.
    case unknown

    /// The verb as the wire has it; empty for what is not known.
    package var word: StaticString {
        switch self {
        case .hello: "HELLO"
        case .get: "GET"
        case .release: "RELEASE"
        case .list: "LIST"
        case .stat: "STAT"
        case .store: "STORE"
        case .drop: "DROP"
        case .unknown: ""
        }
    }

    init(at range: TextRange, in text: Span<UInt8>) {
        var number: UInt8 = 1
        while let verb = Verb(rawValue: number), verb != .unknown {
            if text.holds(verb.word, at: range) {
                self = verb
                return
            }
            number += 1
        }
        self = .unknown
    }
}

/// Why a request is refused before anybody decides about it.
package struct RequestError: Error {
    /// What to answer; nil where the connection is closed without a word.
    package var code: ReplyCode?
    /// The reason, in words.
    package var text: StaticString
    /// The request's tag; empty where it could not be read.
    package var tag = TextRange(0, 0)
}

/// One request, read whole: every key is known, belongs to the verb and is in range. Offsets are into the request's text.
package struct Request: Sendable {
    /// The most names of a request.
    package static var maxNames: Int { 32 }
    /// The longest wait, in milliseconds.
    package static var maxWait: Int { 60_000 }

    /// What is asked for.
    package let verb: Verb
    /// What joins request and reply.
    package let tag: TextRange
    /// `name=`, in order, none twice; the first ``nameCount`` count.
    package private(set) var names = InlineArray<32, TextRange>(repeating: TextRange(0, 0))
    /// How many names there are; as many as the verb wants.
    package private(set) var nameCount = 0
    /// `mode=exclusive`.
    package private(set) var isExclusive = false
    /// `wait=`, in milliseconds.
    package private(set) var wait = 0
    /// `replace=1`.
    package private(set) var isReplacing = false
    /// `spec=`; empty if there is none.
    package private(set) var spec = TextRange(0, 0)
    /// `first=`: how many items of a list are left out at its beginning.
    package private(set) var first = 0

    /// Reads a request.
    package init(_ text: Span<UInt8>) throws(RequestError) {
        var packet: Packet
        do throws(PacketError) {
            packet = try Packet(request: text)
        } catch {
            switch error {
            case .badVersion: throw RequestError(code: .version, text: "this broker speaks PB1")
            case .empty, .tooLong, .badByte: throw RequestError(code: nil, text: "not a PB1 packet")
            case .badHead, .badLine, .repeatedKey, .tooManyKeys:
                throw RequestError(code: .malformed, text: "the first line is not PB1 VERB TAG")
            }
        }
        self.tag = packet.tag
        self.verb = packet.verb.map { Verb(at: $0, in: text) } ?? .unknown
        guard self.verb != .unknown else {
            throw RequestError(code: .unknownVerb, text: "no such verb in this version", tag: self.tag)
        }
        while let (key, value) = try self.nextLine(of: &packet, in: text) {
            guard let code = self.read(key, value, in: text) else { continue }
            let reason: StaticString =
                switch code {
                case .tooBig: "more than 32 names"
                case .version: "this broker speaks PB1"
                default: "a key that is not this verb's, or a value out of range"
                }
            throw RequestError(code: code, text: reason, tag: self.tag)
        }
        if let reason = self.missingKey { throw RequestError(code: .malformed, text: reason, tag: self.tag) }
    }

    private func nextLine(
        of packet: inout Packet, in text: Span<UInt8>
    ) throws(RequestError) -> (key: TextRange, value: TextRange)? {
        do throws(PacketError) {
            return try packet.next(in: text)
        } catch {
            guard error != .tooManyKeys else {
                throw RequestError(code: .tooBig, text: "more than 32 keys beside name=", tag: self.tag)
            }
            let reason: StaticString = error == .repeatedKey ? "a key twice" : "a line is not KEY=VALUE"
            throw RequestError(code: .malformed, text: reason, tag: self.tag)
        }
    }

    /// Reads one line; the code of its refusal, or nil.
    private mutating func read(_ key: TextRange, _ value: TextRange, in text: Span<UInt8>) -> ReplyCode? {
        if text.begins(key, with: "x-") { return nil }
        switch self.verb {
        case .hello where text.holds("max", at: key):
            guard let version = text.decimal(at: value, upTo: 65535) else { return .malformed }
            return version < 1 ? .version : nil
        case .get where text.holds("mode", at: key):
            self.isExclusive = text.holds("exclusive", at: value)
            return self.isExclusive || text.holds("shared", at: value) ? nil : .malformed
        case .get where text.holds("wait", at: key):
            guard let wait = text.decimal(at: value, upTo: UInt64(Self.maxWait)) else { return .malformed }
            self.wait = Int(wait)
            return nil
        case .list where text.holds("first", at: key):
            guard let first = text.decimal(at: value, upTo: 65535) else { return .malformed }
            self.first = Int(first)
            return nil
        case .store where text.holds("spec", at: key):
            self.spec = value
            return nil
        case .store where text.holds("replace", at: key):
            self.isReplacing = text.holds("1", at: value)
            return self.isReplacing || text.holds("0", at: value) ? nil : .malformed
        case .get, .release, .stat, .store, .drop:
            return text.holds("name", at: key) ? self.readName(value, in: text) : .malformed
        case .hello, .list, .unknown:
            return .malformed
        }
    }

    private mutating func readName(_ value: TextRange, in text: Span<UInt8>) -> ReplyCode? {
        guard text.isName(value) else { return .malformed }
        for index in 0..<self.nameCount
        where text.extracting(self.names[index].start..<self.names[index].end)
            .isEqual(to: text.extracting(value.start..<value.end))
        { return .malformed }
        guard self.nameCount < Self.maxNames else { return .tooBig }
        self.names[self.nameCount] = value
        self.nameCount += 1
        return nil
    }

    /// What the verb needs and the request does not have.
    private var missingKey: StaticString? {
        switch self.verb {
        case .hello, .list, .unknown: nil
        case .get, .release: self.nameCount > 0 ? nil : "no name="
        case .stat, .drop: self.nameCount == 1 ? nil : "not one name="
        case .store:
            if self.nameCount != 1 { "not one name=" } else if self.spec.count == 0 { "no spec=" } else { nil }
        }
    }
}
