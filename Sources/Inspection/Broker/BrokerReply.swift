internal import BrokerCore

/// A reply of the broker's, read as lines.
package struct BrokerReply: Equatable, Sendable {
    /// `key=value`.
    package struct Line: Equatable, Sendable {
        /// The key.
        package var key: String
        /// The value, as it came: printable ASCII.
        package var value: String
    }

    /// 200, or why not.
    package let code: Int
    /// What follows the head, in its order.
    package let lines: [Line]

    /// Reads a packet as the reply to the request with that tag; nil if it is none. (A refusal before any request has
    /// the tag 0.)
    package init?(reading packet: [UInt8], tag: StaticString) {
        let text = packet.span
        var lines: [Line] = []
        do throws(PacketError) {
            var reader = try Packet(reply: text)
            guard text.holds(tag, at: reader.tag) || (reader.code != 200 && text.holds("0", at: reader.tag)) else {
                return nil
            }
            self.code = reader.code
            while let (key, value) = try reader.next(in: text) {
                lines.append(Line(key: String(text, key), value: String(text, value)))
            }
        } catch {
            return nil
        }
        self.lines = lines
    }

    /// The value of a key; nil if there is none.
    package func value(_ key: String) -> String? { self.lines.first { $0.key == key }?.value }

    /// The value of a key as a number from 0 up; nil if it is none.
    package func number(_ key: String) -> Int? {
        self.value(key).flatMap { value in
            guard !value.isEmpty, value.utf8.allSatisfy(\.isDigit) else { return nil }
            return Int(value)
        }
    }

    /// The values of every `item=`.
    package var items: [String] { self.lines.filter { $0.key == "item" }.map(\.value) }
}
