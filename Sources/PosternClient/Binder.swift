internal import BrokerCore
internal import BrokerIO

/// A postern-binder that is started for some names, and its answer.
struct Binder {
    /// The binder's path, which the program's own user chooses: who could as well start another program.
    let path: String
    /// How long it may take.
    let timeout: Duration

    /// Asks the binder for every name; all or none.
    func obtain(_ names: [String]) throws(ListenerError) -> Listeners {
        let outcome = try runBinder(self.path, arguments: names + ["--fd", "3"], timeout: self.timeout)
        let asked = "get \(names.map { "\"\($0)\"" }.joined(separator: ", ")) from \(self.path)"
        if let status = outcome.exitStatus, status != 0 {
            let words = outcome.complaint.isEmpty ? "it said nothing" : outcome.complaint
            throw ListenerError(.refused, exitStatus: status, "\(asked): exit status \(status): \(words)")
        }
        let packet: ReceivedPacket
        do throws(ReceiveError) {
            packet = try receivePacket(from: outcome.socket)
        } catch {
            let cause = error.code == .system ? "no answer (errno \(error.errno))" : "no PB1 packet (\(error.code))"
            let words = outcome.complaint.isEmpty ? "" : "; it said: \(outcome.complaint)"
            throw ListenerError(
                .badReply, errno: error.errno, exitStatus: outcome.exitStatus, "\(asked): \(cause)\(words)")
        }
        do throws(BadReply) {
            return try check(packet, names)
        } catch {
            throw ListenerError(.badReply, exitStatus: outcome.exitStatus, "\(asked): \(error.reason)")
        }
    }
}

/// What is wrong with an answer.
private struct BadReply: Error {
    var reason: String
}

/// Checks an answer against what was asked, and each descriptor against its line: any doubt, and all are closed.
private func check(_ packet: consuming ReceivedPacket, _ names: [String]) throws(BadReply) -> Listeners {
    var bytes: [UInt8] = []
    for index in 0..<packet.text.count { bytes.append(packet.text.storage[index]) }
    let lines: [String: String]
    do throws(PacketError) {
        lines = try readReply(bytes)
    } catch {
        throw BadReply(reason: "not a PB1 reply of a binder (\(error))")
    }
    let count = packet.descriptors.count
    guard lines["fds"] == "\(count)" else {
        throw BadReply(reason: "\(count) descriptors came, \(lines["fds"] ?? "none") were announced")
    }
    guard lines.count == count + 1 else { throw BadReply(reason: "lines that were not asked for") }
    var named: [(name: String, number: Int32)] = []
    var listeners = Listeners()
    for index in 0..<count {
        guard let line = lines["fd.\(index)"] else { throw BadReply(reason: "no line fd.\(index)") }
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard let name = words.first, names.contains(name), let spec = SocketSpec(words: words.dropFirst()) else {
            throw BadReply(reason: "fd.\(index)=\(line) was not asked for")
        }
        // (Looked at only; the packet still owns it.)
        let mismatch = packet.descriptors.mismatch(at: index, against: spec)
        guard mismatch == nil else { throw BadReply(reason: "fd.\(index)=\(line): \(mismatch?.text ?? "")") }
        named.append((name, packet.descriptors.rawValues[index]))
    }
    for name in names where !named.contains(where: { $0.name == name }) {
        throw BadReply(reason: "\"\(name)\" is not among what came")
    }
    // Nothing can fail any more: the ownership goes over.
    while let descriptor = packet.descriptors.popLast() { _ = descriptor.release() }
    for (name, number) in named { listeners.append(Descriptor(owning: number), name: name) }
    return listeners
}

/// A binder's answer as its lines; fails unless it is one, of code 200.
private func readReply(_ bytes: [UInt8]) throws(PacketError) -> [String: String] {
    var packet = try Packet(reply: bytes.span)
    guard packet.code == 200, bytes.span.holds("binder", at: packet.tag) else { throw .badHead }
    var lines: [String: String] = [:]
    while let (key, value) = try packet.next(in: bytes.span) {
        let name = String(decoding: bytes[key.start..<key.end], as: UTF8.self)
        guard !name.hasPrefix("x-") else { continue }
        lines[name] = String(decoding: bytes[value.start..<value.end], as: UTF8.self)
    }
    return lines
}

extension SocketSpec {
    /// Reads a socket as PB1 writes it: `tcp [::]:25`, with `v6only` and `device=` behind it where they hold.
    fileprivate init?(words: ArraySlice<String>) {
        guard words.count >= 2, let first = words.first, first == "tcp" || first == "udp" else { return nil }
        let address = Array(words[words.startIndex + 1].utf8)
        guard !address.isEmpty,
            let spec = try? SocketSpec(
                transport: first == "tcp" ? .tcp : .udp, addressAt: TextRange(0, address.count), in: address.span)
        else { return nil }
        self = spec
        for word in words.dropFirst(2) {
            if word == "v6only" {
                self.isV6Only = true
            } else if word.hasPrefix("device=") {
                for byte in word.utf8.dropFirst("device=".utf8.count) { self.device.append(byte) }
            } else {
                return nil
            }
        }
    }
}
