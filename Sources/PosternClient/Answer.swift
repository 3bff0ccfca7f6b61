internal import BrokerCore
internal import BrokerIO

/// A reply of a broker or a binder, each of its descriptors checked against its line. Owns them.
struct Answer: ~Copyable {
    let packet: ReceivedPacket
    let grant: GrantReader

    /// Reads a packet as the reply to the request with that tag. On any doubt every descriptor is closed.
    ///
    /// - Parameter asked: the operation and its object, for the error.
    init(_ packet: consuming ReceivedPacket, tag: StaticString, _ asked: String) throws(ListenerError) {
        do throws(GrantError) {
            self.grant = try packet.grant(tag: tag)
        } catch {
            throw ListenerError(.badReply, "\(asked): \(error.description(in: packet))")
        }
        self.packet = packet
    }

    /// The listeners, if every name is there that was asked for, and no other.
    consuming func listeners(
        asked names: [String], from source: Listener.Source, _ asked: String
    ) throws(ListenerError) -> Listeners {
        var packet = self.packet
        let found: [String]
        do throws(GrantError) {
            let text = packet.text.storage.span.extracting(first: packet.text.count)
            found = try self.grant.names(asked: names, in: text)
        } catch {
            throw ListenerError(.badReply, "\(asked): \(error.description(in: packet))")
        }
        // Nothing can fail any more: the ownership goes over.
        var listeners = Listeners()
        for (index, name) in found.enumerated() {
            listeners.append(Descriptor(owning: packet.descriptors.rawValues[index]), name: name, source: source)
        }
        while let descriptor = packet.descriptors.popLast() { _ = descriptor.release() }
        return listeners
    }
}

extension GrantReader {
    /// The name of each descriptor, if they are those that were asked for.
    func names(asked names: [String], in text: Span<UInt8>) throws(GrantError) -> [String] {
        var found: [String] = []
        for index in 0..<self.count {
            let name = text.string(self.name(index))
            guard names.contains(name) else { throw GrantError("a name that was not asked for", self.name(index)) }
            found.append(name)
        }
        guard names.allSatisfy(found.contains) else { throw GrantError("a name that was asked for did not come") }
        return found
    }
}

extension GrantError {
    /// What is wrong, and with what: `bound elsewhere: "smtp"`.
    fileprivate func description(in packet: borrowing ReceivedPacket) -> String {
        self.range.count == 0 ? "\(self.text)" : "\(self.text): \"\(packet.string(self.range))\""
    }
}

extension ReceivedPacket {
    /// The packet's bytes at `range`.
    borrowing func string(_ range: TextRange) -> String { self.text.storage.span.string(range) }
}

extension Span where Element == UInt8 {
    /// The bytes at `range`.
    func string(_ range: TextRange) -> String {
        var bytes: [UInt8] = []
        for index in range.start..<range.end { bytes.append(self[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Names for a message: `"smtp", "http"`.
func quoted(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }
