import ProxyProtocol
import Routing

// What has to hold for all octets in front of a connection: what comes of them does not depend on how they were cut, a
// header is bounded, and one that was read can be written and is read again as what it was.

/// Checks one connection's first octets.
func check(_ bytes: [UInt8]) {
    var outcome: Result<ProxyHeader.Parsed?, ProxyHeaderError> = .success(nil)
    for count in 0...bytes.count {
        let now = parse(bytes, count)
        switch outcome {
        case .success(nil):
            outcome = now
        case .success(let parsed?):
            require(now == .success(parsed), "a header is another one with more octets behind it")
        case .failure:
            if case .success(_?) = now { require(false, "what was refused is a header after all") }
        }
        if case .success(let parsed?) = now {
            require(
                parsed.length <= count && parsed.length <= ProxyHeader.longestVersion2, "a header of what has not come")
            require(parsed.length >= 15, "a header that is too short")
        }
        if case .success(nil) = now { require(count < ProxyHeader.longestVersion2, "a header without an end") }
    }
    guard case .success(let parsed?) = outcome else { return }
    require(bytes[0] == UInt8(ascii: "P") || bytes[0] == 0x0D)
    if bytes[0] == UInt8(ascii: "P") {
        require(parsed.length <= ProxyHeader.longestVersion1, "a line that is too long")
    }
    checkWriting(parsed.header)
}

private func parse(_ bytes: [UInt8], _ count: Int) -> Result<ProxyHeader.Parsed?, ProxyHeaderError> {
    // (A copy, whose end the address sanitizer knows.)
    let part = Array(bytes[..<count])
    do throws(ProxyHeaderError) {
        return .success(try ProxyHeader.parse(part.span))
    } catch {
        return .failure(error)
    }
}

private func checkWriting(_ header: ProxyHeader) {
    let line = header.version1
    require(line.count <= ProxyHeader.longestVersion1 && line.filter { $0 < 0x20 }.count == 2, "no line")
    let again = (parse(line, line.count), parse(header.version2, header.version2.count))
    guard case (.success(let first?), .success(let second?)) = again else {
        return require(false, "what was written cannot be read")
    }
    require(first.length == line.count && second.length == header.version2.count)
    require(second.header == header)
    // (Version 1 cannot say that a connection is the proxy's own.)
    require(first.header == header || header.subject == .proxy && first.header.subject == .unknown)
}
