import BrokerCore

// What has to hold for every text as a policy, however wrong it is.

/// One entry as the parser read it, or the end, in values that can be compared.
private struct Reading: Equatable {
    var ranges: [TextRange] = []
    var socket: [UInt64] = []
    var device: [UInt8] = []
    var error: [Int] = []
}

/// Everything that a text is read as.
private func read(_ text: Span<UInt8>, _ entries: inout [PolicyEntry]) -> [Reading] {
    var result: [Reading] = []
    var parser = PolicyParser()
    do throws(PolicyError) {
        while let entry = try parser.next(in: text) {
            entries.append(entry)
            var reading = Reading(ranges: [entry.name, entry.address])
            for right in 0..<5 { reading.ranges.append(entry.rights[right]) }
            let socket = entry.socket
            reading.socket = [
                UInt64(socket.transport.rawValue), UInt64(socket.host.family.rawValue), socket.host.high,
                socket.host.low,
                UInt64(socket.port), UInt64(socket.backlog), socket.isV6Only ? 1 : 0, socket.isFreebind ? 1 : 0,
                socket.hasKeepalive ? 1 : 0, UInt64(socket.siblings),
            ]
            for index in 0..<socket.device.count { reading.device.append(socket.device.storage[index]) }
            result.append(reading)
        }
    } catch {
        require(error.line >= 1 && error.column >= 1 && error.range.start <= error.range.end)
        require(error.range.end <= text.count)
        var message = TextBuffer<512>()
        error.append(to: &message, in: text)
        require(!message.isTruncated)
        result.append(Reading(error: [error.line, error.column, error.range.start, error.range.end]))
    }
    return result
}

/// Checks one text.
func check(_ bytes: [UInt8]) {
    guard bytes.count <= PolicyParser.maxLength else { return }
    var entries: [PolicyEntry] = []
    let reading = read(bytes.span, &entries)
    checkPlaces(bytes, reading)
    for entry in entries { checkSpec(entry, bytes) }
    // A policy is only used where all of it could be read.
    guard reading.last?.error.isEmpty ?? true else { return }
    checkRights(bytes, entries)
}

/// The reading depends on nothing but the text: not on what stands around it in memory, nor on the lines before.
private func checkPlaces(_ bytes: [UInt8], _ reading: [Reading]) {
    var ignored: [PolicyEntry] = []
    for around in [UInt8(ascii: "1"), UInt8(ascii: "\n")] {
        let larger = [around, around, around] + bytes + [around, around]
        let part = larger.span.extracting(3..<3 + bytes.count)
        require(read(part, &ignored) == reading, "read differently in a larger buffer")
    }
    let behindComment = [UInt8(ascii: "#"), UInt8(ascii: "\n")] + bytes
    let moved = read(behindComment.span, &ignored).map { reading in
        var reading = reading
        for index in reading.ranges.indices where reading.ranges[index] != TextRange(0, 0) {
            reading.ranges[index].start -= 2
            reading.ranges[index].end -= 2
        }
        if !reading.error.isEmpty {
            reading.error[0] -= 1
            reading.error[2] -= 2
            reading.error[3] -= 2
        }
        return reading
    }
    require(moved == reading, "read differently behind a comment")
}

/// What PB1 says of an entry's socket is printable, fits, and is read as the same socket.
private func checkSpec(_ entry: PolicyEntry, _ bytes: [UInt8]) {
    var text = TextBuffer<96>()
    entry.appendSpec(to: &text, in: bytes.span)
    require(!text.isTruncated)
    for index in 0..<text.count { require(0x20...0x7E ~= text.storage[index], "a spec that is no PB1") }
    do throws(PolicyError) {
        let socket = try SocketSpec(wireAt: TextRange(0, text.count), in: text.storage.span)
        require(socket.isEquivalent(to: entry.socket), "a spec of another socket")
    } catch {
        fatalError("a spec that no client reads")
    }
}
