/// What is wrong with a grant, and with which of its lines.
package struct GrantError: Error {
    /// What is wrong, in words.
    package var text: StaticString
    /// The offending bytes; empty where something is missing.
    package var range: TextRange

    /// Makes an error about `range` of the reply.
    package init(_ text: StaticString, _ range: TextRange = TextRange(0, 0)) {
        self.text = text
        self.range = range
    }
}

/// A reply read as a grant: `fds=` and one line a descriptor. Offsets are into the reply's text.
package struct GrantReader {
    /// The reply's code; what follows counts with 200 only.
    package let code: Int
    /// How many descriptors are announced, 64 at most.
    package private(set) var count = 0
    /// `text=`, the reason of a refusal; nil if there is none.
    package private(set) var reason: TextRange?
    /// `generation=`; nil if there is none.
    package private(set) var generation: TextRange?
    private var names = InlineArray<64, TextRange>(repeating: TextRange(0, 0))
    private var specs = InlineArray<64, TextRange>(repeating: TextRange(0, 0))

    /// Reads a reply to the request with that tag. Fails if it is none, or if a grant's lines are not as announced.
    package init(reply text: Span<UInt8>, tag: StaticString) throws(GrantError) {
        var packet: Packet
        do throws(PacketError) { packet = try Packet(reply: text) } catch { throw GrantError("not a PB1 reply") }
        self.code = packet.code
        // (A refusal before any request has the tag 0.)
        guard text.holds(tag, at: packet.tag) || (self.code != 200 && text.holds("0", at: packet.tag)) else {
            throw GrantError("the reply to another request", packet.tag)
        }
        var wrongCount: TextRange?
        do throws(PacketError) {
            while let (key, value) = try packet.next(in: text) {
                if text.holds("fds", at: key) {
                    let number = text.decimal(at: value, upTo: 64)
                    self.count = Int(number ?? 0)
                    if number == nil { wrongCount = value }
                } else if text.begins(key, with: "fd.") {
                    guard let index = text.decimal(at: TextRange(key.start + 3, key.end), upTo: 63) else { continue }
                    let end = text.firstOffset(of: UInt8(ascii: " "), in: value)
                    self.names[Int(index)] = TextRange(value.start, end)
                    self.specs[Int(index)] = TextRange(Swift.min(end + 1, value.end), value.end)
                } else if text.holds("text", at: key) {
                    self.reason = value
                } else if text.holds("generation", at: key) {
                    self.generation = value
                }
            }
        } catch {
            throw GrantError("not a PB1 reply")
        }
        if let wrongCount { throw GrantError("fds= is 0 to 64", wrongCount) }
        for index in 0..<self.count {
            guard text.isName(self.names[index]) else { throw GrantError("a descriptor without its line") }
        }
    }

    /// The name of a descriptor.
    package func name(_ index: Int) -> TextRange { self.names[index] }

    /// The socket that a descriptor is said to be.
    package func spec(_ index: Int, in text: Span<UInt8>) throws(GrantError) -> SocketSpec {
        do throws(PolicyError) {
            return try SocketSpec(wireAt: self.specs[index], in: text)
        } catch {
            throw GrantError(error.text, error.range)
        }
    }
}
