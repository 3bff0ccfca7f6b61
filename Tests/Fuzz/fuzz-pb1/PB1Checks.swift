import BrokerCore

// What has to hold for every text as a packet of PB1, read as request, reply, grant and spec.

/// Checks one text.
func check(_ bytes: [UInt8]) {
    for isReply in [false, true] { checkPacket(bytes, isReply: isReply) }
    let request = checkRequest(bytes.span)
    let grant = checkGrant(bytes.span)
    let spec = checkSpec(bytes.span, TextRange(0, bytes.count))
    // The reading depends on nothing but the text, not on what stands around it in memory.
    for around in [UInt8(ascii: "1"), UInt8(ascii: "\n"), 0] {
        let larger = [around, around] + bytes + [around, around, around]
        let part = larger.span.extracting(2..<2 + bytes.count)
        require(checkRequest(part) == request && checkGrant(part) == grant, "read differently in a larger buffer")
        var moved = checkSpec(larger.span, TextRange(2, 2 + bytes.count))
        if moved.count == 2 { moved = moved.map { $0 - 2 } }
        require(moved == spec, "read differently in a larger buffer")
    }
    checkPolicyLine(bytes)
}

private func slice(_ text: Span<UInt8>, _ range: TextRange) -> [UInt8] {
    require(0 <= range.start && range.start <= range.end && range.end <= text.count)
    var result: [UInt8] = []
    for index in range.start..<range.end { result.append(text[index]) }
    return result
}

private func isKey(_ bytes: [UInt8]) -> Bool {
    1...63 ~= bytes.count && bytes.allSatisfy { 97...122 ~= $0 || 48...57 ~= $0 || [45, 46, 95].contains($0) }
}

private func isTag(_ bytes: [UInt8]) -> Bool {
    1...8 ~= bytes.count && bytes.allSatisfy { 97...122 ~= $0 || 65...90 ~= $0 || 48...57 ~= $0 }
}

/// A packet that is read to its end is what was read, byte for byte; but for `name` and `item` each key stands once.
private func checkPacket(_ bytes: [UInt8], isReply: Bool) {
    do throws(PacketError) {
        var packet = isReply ? try Packet(reply: bytes.span) : try Packet(request: bytes.span)
        require(bytes.count <= (isReply ? Packet.maxReply : Packet.maxRequest))
        require(bytes.allSatisfy { $0 == 10 || 32...126 ~= $0 })
        require((packet.verb == nil) == isReply && isReply == (100...999 ~= packet.code))
        require(isTag(slice(bytes.span, packet.tag)))
        var written = Array(bytes[..<packet.tag.end])
        require(written.count { $0 == UInt8(ascii: " ") } == (isReply ? 3 : 2) && written.count { $0 == 10 } == 0)
        var keys: Set<[UInt8]> = []
        while let (key, value) = try packet.next(in: bytes.span) {
            let name = slice(bytes.span, key)
            require(isKey(name))
            let isNew = keys.insert(name).inserted
            require(isNew || name == Array((isReply ? "item" : "name").utf8), "a key twice")
            written += [10] + name + [UInt8(ascii: "=")] + slice(bytes.span, value)
        }
        require(written == bytes || written + [10] == bytes, "another packet than the one that came")
    } catch {
        require(error == .empty ? bytes.isEmpty : !bytes.isEmpty)
    }
}

/// A request that is read has a tag, its verb's names, each once and each standing there, and values in range.
private func checkRequest(_ text: Span<UInt8>) -> [Int] {
    do throws(RequestError) {
        let request = try Request(text)
        require(request.verb != .unknown && isTag(slice(text, request.tag)))
        require(0...Request.maxWait ~= request.wait && 0...65535 ~= request.first)
        require(!request.isExclusive && request.wait == 0 || request.verb == .get)
        require(
            (request.spec.count > 0) == (request.verb == .store) && (!request.isReplacing || request.verb == .store))
        switch request.verb {
        case .hello, .list, .unknown: require(request.nameCount == 0)
        case .get, .release: require(1...Request.maxNames ~= request.nameCount)
        case .stat, .store, .drop: require(request.nameCount == 1)
        }
        var names: Set<[UInt8]> = []
        for index in 0..<request.nameCount {
            let range = request.names[index]
            let name = slice(text, range)
            require(names.insert(name).inserted && text.isName(range))
            require(slice(text, TextRange(range.start - 6, range.start)) == Array("\nname=".utf8))
            require(range.end == text.count || text[range.end] == 10)
        }
        return [
            Int(request.verb.rawValue), request.tag.start, request.tag.end, request.nameCount, request.wait,
            request.first,
            request.isExclusive ? 1 : 0, request.isReplacing ? 1 : 0, request.spec.start, request.spec.end,
        ]
    } catch {
        let tag = slice(text, error.tag)
        require(tag.isEmpty || (isTag(tag) && error.code != nil), "a tag that cannot be sent back")
        // What may be answered is text; what is no text is not answered.
        require((error.code == nil) == !isText(text))
        return [Int(error.code?.rawValue ?? 0), error.tag.start, error.tag.end]
    }
}

private func isText(_ text: Span<UInt8>) -> Bool {
    for index in 0..<text.count where text[index] != 10 && !(32...126 ~= text[index]) { return false }
    return 1...Packet.maxRequest ~= text.count
}

/// A grant that is read has a name for each descriptor, and a spec that is one or an error inside the text.
private func checkGrant(_ text: Span<UInt8>) -> [Int] {
    do throws(GrantError) {
        let grant = try GrantReader(reply: text, tag: "t")
        require(0...64 ~= grant.count && 100...999 ~= grant.code)
        var result = [grant.code, grant.count, grant.reason?.start ?? -1, grant.generation?.start ?? -1]
        for index in 0..<grant.count {
            require(text.isName(grant.name(index)))
            result.append(grant.name(index).start)
            do throws(GrantError) {
                result.append(Int(try grant.spec(index, in: text).port))
            } catch {
                _ = slice(text, error.range)
                result.append(-error.range.start)
            }
        }
        return result
    } catch {
        _ = slice(text, error.range)
        return [-1, error.range.start, error.range.end]
    }
}

/// What a spec says; two numbers, the place, for one that is none.
private func checkSpec(_ text: Span<UInt8>, _ range: TextRange) -> [Int] {
    do throws(PolicyError) {
        let spec = try SocketSpec(wireAt: range, in: text)
        require(spec.port > 0 && spec.device.count <= 15 && spec.descriptorCount == 1 && !spec.device.isTruncated)
        return [
            Int(spec.transport.rawValue), Int(spec.host.family.rawValue), Int(truncatingIfNeeded: spec.host.high),
            Int(truncatingIfNeeded: spec.host.low), Int(spec.port), spec.isV6Only ? 1 : 0, spec.device.count,
        ]
    } catch {
        require(range.start <= error.range.start && error.range.start <= error.range.end)
        require(error.range.end <= range.end)
        return [error.range.start, error.range.end]
    }
}

/// A spec that is read is a line of a policy, of the same socket.
private func checkPolicyLine(_ bytes: [UInt8]) {
    guard bytes.count <= 200 else { return }
    let spec: SocketSpec
    do throws(PolicyError) {
        spec = try SocketSpec(wireAt: TextRange(0, bytes.count), in: bytes.span)
    } catch {
        return
    }
    let line = Array("n ".utf8) + bytes + [10]
    let text = line.span
    var parser = PolicyParser()
    do throws(PolicyError) {
        guard let entry = try parser.next(in: text) else { fatalError("no line") }
        require(entry.socket.isEquivalent(to: spec), "another socket in a policy than in PB1")
    } catch {
        fatalError("a spec that no policy can have")
    }
}
