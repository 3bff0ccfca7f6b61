/// One line of the policy: a name, a socket, and who may do what with it. Offsets are into the text it was read from.
package struct PolicyEntry: Sendable {
    /// The listener's name.
    package var name: TextRange
    /// `address:port` as the line spells it.
    package var address: TextRange
    /// The socket.
    package var socket: SocketSpec
    /// The lists of `get=`, `bind=`, `store=`, `drop=` and `list=`, by ``Right``; an empty range grants nothing.
    package var rights = InlineArray<5, TextRange>(repeating: TextRange(0, 0))

    /// Writes the socket as PB1 and every message spell it: `tcp [::]:25`.
    package func appendSocket<let size: Int>(to output: inout TextBuffer<size>, in text: Span<UInt8>) {
        output.append(self.socket.transport.word)
        output.append(" ")
        output.append(text, self.address)
    }

    /// Writes the socket as a spec of PB1, whose descriptor a client compares with it: `tcp [::]:25 v6only`.
    package func appendSpec<let size: Int>(to output: inout TextBuffer<size>, in text: Span<UInt8>) {
        self.appendSocket(to: &output, in: text)
        if self.socket.isV6Only { output.append(" v6only") }
        if self.socket.device.count > 0 {
            output.append(" device=")
            output.append(self.socket.device.storage.span, TextRange(0, self.socket.device.count))
        }
    }
}

extension PolicyEntry {
    /// Reads the line behind its name.
    init(named name: TextRange, from line: inout PolicyLine, in text: Span<UInt8>) throws(PolicyError) {
        guard text.isName(name) else { throw .init("a name is 1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-'", name) }
        guard !text.begins(name, with: "postern.") else {
            throw .init("names that begin with postern. are reserved", name)
        }
        guard let word = line.nextWord(in: text) else {
            throw .init("the socket is missing: tcp or udp, then ADDRESS:PORT", line.offset, line.offset)
        }
        let transport: Transport
        if text.holds("tcp", at: word) {
            transport = .tcp
        } else if text.holds("udp", at: word) {
            transport = .udp
        } else {
            throw .init("a socket is tcp or udp", word)
        }
        guard let address = line.nextWord(in: text) else {
            throw .init("ADDRESS:PORT is missing", line.offset, line.offset)
        }
        self.init(
            name: name, address: address, socket: try SocketSpec(transport: transport, addressAt: address, in: text))
        // One bit a key, to find what is given twice.
        var seen: UInt16 = 0
        while let word = line.nextWord(in: text) {
            let equals = text.firstOffset(of: UInt8(ascii: "="), in: word)
            let key = TextRange(word.start, equals)
            var number = 0
            while number < Self.keys.count, !text.holds(Self.keys[number], at: key) { number += 1 }
            guard number < Self.keys.count else {
                throw .init(
                    "not an option (backlog= v6only freebind keepalive device= reuseport=) or right (get= bind= store= drop= list=)",
                    key)
            }
            guard seen & 1 << number == 0 else { throw .init("given twice on this line", key) }
            seen |= 1 << number
            if number >= Self.firstFlag {
                guard equals == word.end else { throw .init("this option takes no value", equals, word.end) }
                try self.setFlag(number, key)
            } else {
                guard equals < word.end else { throw .init("a value is missing", word.end, word.end) }
                try self.set(number, key, TextRange(equals + 1, word.end), in: text)
            }
        }
    }

    /// Every right, by ``Right``, then the options: those with a value, those without.
    private static var keys: InlineArray<11, StaticString> {
        ["get", "bind", "store", "drop", "list", "backlog", "reuseport", "device", "v6only", "freebind", "keepalive"]
    }
    private static var firstFlag: Int { 8 }

    /// Applies a right, or an option that has a value.
    private mutating func set(
        _ number: Int, _ key: TextRange, _ value: TextRange, in text: Span<UInt8>
    ) throws(PolicyError) {
        switch number {
        case 5:
            guard self.socket.transport == .tcp else { throw .init("for tcp only", key) }
            guard let backlog = text.decimal(at: value, upTo: 65535), backlog > 0 else {
                throw .init("backlog= is 1 to 65535", value)
            }
            self.socket.backlog = Int32(backlog)
        case 6:
            guard let siblings = text.decimal(at: value, upTo: 8), siblings > 0 else {
                throw .init("reuseport= is 1 to 8", value)
            }
            self.socket.siblings = UInt8(siblings)
        case 7:
            guard text.isDevice(value) else {
                throw .init("a device is 1 to 15 bytes of ASCII without '/' and ':'", value)
            }
            self.socket.device.append(text, value)
        default:
            var start = value.start
            repeat {
                let end = text.firstOffset(of: UInt8(ascii: ","), in: TextRange(start, value.end))
                _ = try Subject(at: TextRange(start, end), in: text)
                start = end + 1
            } while start <= value.end
            self.rights[number] = value
        }
    }

    /// Applies an option that has no value.
    private mutating func setFlag(_ number: Int, _ key: TextRange) throws(PolicyError) {
        if number == 8 {
            guard self.socket.host.family == .ipv6 else { throw .init("for an IPv6 address only", key) }
            self.socket.isV6Only = true
        } else if number == 9 {
            self.socket.isFreebind = true
        } else {
            guard self.socket.transport == .tcp else { throw .init("for tcp only", key) }
            self.socket.hasKeepalive = true
        }
    }
}
