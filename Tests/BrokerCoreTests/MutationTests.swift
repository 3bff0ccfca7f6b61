import BrokerCore
import Testing

/// A generator whose numbers are the same in every run (SplitMix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Changes a text in one to four places: a byte exchanged, removed, or put in; a part cut off, doubled or replaced
    /// by a word of `words`.
    mutating func mutate(_ text: [UInt8], _ words: [String]) -> [UInt8] {
        var text = text
        for _ in 0..<Int.random(in: 1...4, using: &self) {
            let place = Int.random(in: 0...text.count, using: &self)
            let end = Swift.min(text.count, place + Int.random(in: 0...12, using: &self))
            switch Int.random(in: 0..<6, using: &self) {
            case 0: text.insert(UInt8.random(in: 0...255, using: &self), at: place)
            case 1: if place < text.count { text[place] = UInt8.random(in: 0...255, using: &self) }
            case 2: if place < text.count { text.remove(at: place) }
            case 3: text.insert(contentsOf: Array(text[place..<end]), at: place)
            case 4: text.removeSubrange(place..<end)
            default: text.replaceSubrange(place..<end, with: (words.randomElement(using: &self) ?? "").utf8)
            }
        }
        return text
    }
}

/// What stands at a range of a text.
private func string(_ bytes: [UInt8], _ range: TextRange) -> String {
    String(decoding: bytes[range.start..<range.end], as: UTF8.self)
}

/// Random texts against the pure readers. A trap ends the process, so that every text that is read is a check.
@Suite struct MutationTests {
    /// How many texts of each kind: half a second, unoptimised.
    private static let rounds = 2000

    private static let policy = Array(
        """
        # name  socket  options  who
        smtp    tcp [::]:25              backlog=9 v6only bind=alice,@mail,7
        http\ttcp *:80 reuseport=3       keepalive get=alice store=1000 drop=@8 list=1000
        smtp    udp 192.0.2.1:25 device=eth0 freebind  bind=bob,1001,@9 # not alice,1000,@8
        resolver udp [::ffff:127.0.0.1]:53 bind=@none

        """.utf8)
    private static let policyWords = [
        " ", "\n", "\t", "#", "bind=", "get=", ",", "@", "alice", "1000", "@8", "@mail", "65534", "4294967295", "tcp",
        "udp",
        "[", "]", "::", ":", "*", "%", ".", "=", "65536", "postern.", "reuseport=8", "device=", "backlog=0",
        "999999999999999999999999", "\r\n", "\u{0}", "\u{E9}", "smtp tcp *:1 bind=alice\n",
    ]

    /// Whether a list names alice, uid 1000 and of the group mail, gid 8; none of the parser's code has a part in it.
    private static func namesAlice(_ list: Substring?) -> Bool {
        guard let list else { return false }
        return list.split(separator: ",").contains { ["alice", "1000", "@mail", "@8"].contains($0) }
    }

    @Test(
        "However a policy is changed: no trap, no right that a list does not spell out, and every error has its place")
    func policy() {
        var seeded = Seeded(state: 25)
        var alice = Identity(uid: 1000, gid: 100)
        alice.groups[0] = 8
        alice.groupCount = 1
        var (entries, errors, granted) = (0, 0, 0)
        for _ in 0..<Self.rounds {
            let bytes = seeded.mutate(Self.policy, Self.policyWords)
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            var parser = PolicyParser()
            do throws(PolicyError) {
                while let entry = try parser.next(in: bytes.span) {
                    entries += 1
                    // The line that the entry's name stands on, in words, up to a comment.
                    let number = bytes[..<entry.name.start].count { $0 == UInt8(ascii: "\n") }
                    let words = String(decoding: lines[number], as: UTF8.self)
                        .split { $0 == " " || $0 == "\t" }.prefix { !$0.hasPrefix("#") }
                    #expect(words.first.map(String.init) == string(bytes, entry.name))
                    for (right, key) in [(Right.get, "get="), (.bind, "bind="), (.store, "store=")] {
                        let isPermitted = entry.permits(right, to: alice, in: bytes.span) { subject in
                            switch subject {
                            case .user(let name): string(bytes, name) == "alice" ? 1000 : nil
                            case .group(let name): string(bytes, name) == "mail" ? 8 : nil
                            case .uid, .gid: nil
                            }
                        }
                        let list = words.dropFirst(3).first { $0.hasPrefix(key) }?.dropFirst(key.count)
                        #expect(isPermitted == Self.namesAlice(list), "\(words)")
                        if isPermitted { granted += 1 }
                    }
                    #expect(entry.socket.port > 0 && 1...8 ~= entry.socket.descriptorCount)
                }
            } catch {
                errors += 1
                let isPlace = 1...lines.count ~= error.line && 1...lines[error.line - 1].count + 1 ~= error.column
                #expect(isPlace, "\(error.line):\(error.column) of \(lines.count) lines")
                #expect(error.range.end <= bytes.count && error.range.start <= error.range.end)
                var message = TextBuffer<512>()
                error.append(to: &message, in: bytes.span)
                #expect(!message.isTruncated)
            }
        }
        // The texts are neither all refused nor all as they were.
        #expect(entries > Self.rounds && errors > Self.rounds / 4 && granted > Self.rounds / 4)
    }

    private static let reply = Array(
        "PB1 200 OK binder\nfds=2\nfd.0=smtp tcp [::]:25 v6only\nfd.1=http tcp *:80\nitem=a\nitem=b\nx-y=z\n".utf8)
    private static let packetWords = [
        "\n", " ", "=", "PB1", "PB2", "200", "99", "1000", "binder", "GET", "name=a\n", "item=", "fds=2\n", "\u{0}",
        "\r",
        "\u{E9}", "A=b\n", "=", "x-y=z\n",
    ]

    @Test("However a packet is changed: no trap, and what is read stands there, byte for byte, each key once")
    func packet() {
        var seeded = Seeded(state: 1)
        var (read, refused) = (0, 0)
        for round in 0..<Self.rounds {
            let bytes = seeded.mutate(Self.reply, Self.packetWords)
            let isReply = round % 2 == 0
            do throws(PacketError) {
                var packet = isReply ? try Packet(reply: bytes.span) : try Packet(request: bytes.span)
                let word = isReply ? "\(packet.code)" : packet.verb.map { string(bytes, $0) } ?? ""
                var text = string(bytes, TextRange(0, packet.tag.end))
                #expect(text.hasPrefix("PB1 \(word) ") && text.hasSuffix(" " + string(bytes, packet.tag)))
                var keys: [String] = []
                while let (key, value) = try packet.next(in: bytes.span) {
                    let name = string(bytes, key)
                    #expect(!keys.contains(name) || name == (isReply ? "item" : "name"))
                    keys.append(name)
                    text += "\n\(name)=" + string(bytes, value)
                }
                #expect([text, text + "\n"].contains(String(decoding: bytes, as: UTF8.self)))
                read += 1
            } catch {
                refused += 1
            }
        }
        #expect(read > Self.rounds / 20 && refused > Self.rounds / 4)
    }

}
