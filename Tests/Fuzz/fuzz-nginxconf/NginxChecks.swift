import NginxImport

// What has to hold for every text as an nginx.conf, and as the inside of a server in one.

/// Checks one text.
func check(_ bytes: [UInt8]) {
    checkWhole(bytes)
    checkWhole(Array("mail{auth_http 127.0.0.1;server{listen 25;\n".utf8) + bytes + Array("\n}}".utf8))
}

/// The one file there is; what is included is not there, and what matches a pattern is a file with a blank.
private struct OneFile: NginxFiles {
    var octets: [UInt8]

    func octets(of path: String) throws(NginxFileError) -> [UInt8] {
        if path == "nginx.conf" { return self.octets }
        guard path == "matched" else { throw NginxFileError("there is no such file") }
        return [0x20]
    }

    func matches(_ pattern: String) throws(NginxFileError) -> [String] { ["matched", "matched"] }
}

private func result(_ bytes: [UInt8]) -> Result<NginxImport, NginxConfigurationError> {
    do {
        return .success(try NginxImport("nginx.conf", from: OneFile(octets: bytes)))
    } catch {
        return .failure(error)
    }
}

private func checkWhole(_ bytes: [UInt8]) {
    let first = result(bytes)
    switch first {
    case .failure(let error):
        let lines = bytes.count { $0 == 0x0A } + 1
        require(error.line >= 0 && error.line <= lines, "a line that is not there")
        requireOneLine(error.description)
        require(!error.message.isEmpty)
    case .success(let imported):
        checkDocument(imported)
        // A comment behind it changes nothing, unless the last word is as long as nginx's buffer, and was let pass at the end.
        guard bytes.count < 4096 else { return }
        require(result(bytes + Array("\n# comment }".utf8)) == first, "a comment counts")
    }
}

/// The keys that stand at the top, each once.
private let keys: Set<String> = [
    "server", "listeners", "tls", "proxies", "resolver", "lookup", "limits", "timeouts",
]

private func checkDocument(_ imported: NginxImport) {
    var seen: Set<String> = []
    for line in imported.yaml.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) {
        let text = String(line)
        requireOneLine(text)
        // What stands at the beginning of a line is a comment, a key of ours, or nothing.
        guard let initial = text.utf8.first, initial != UInt8(ascii: " "), initial != UInt8(ascii: "#") else {
            continue
        }
        let key = text.prefix { $0 != ":" }
        require(keys.contains(String(key)), "a key that is none")
        require(seen.insert(String(key)).inserted, "a key a second time")
    }
    require(seen.contains("listeners") && seen.contains("lookup"), "no listeners or no lookup")
    for note in imported.notes { requireOneLine(note.description) }
    for line in imported.socketLines {
        requireOneLine(line)
        require(imported.yaml.contains("# " + line), "a line for sockets.conf that the file does not have")
    }
    require(imported.yaml.utf8.last == UInt8(ascii: "\n"))
}

/// No control, and nothing that YAML or a terminal takes for the end of a line.
private func requireOneLine(_ text: String) {
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF: require(false, "a control in a line")
        default: break
        }
    }
}
