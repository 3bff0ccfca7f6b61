import AuthHTTP
import Routing
import SMTPCore

// Who may send mail at a listener: auth, users and lookup.

extension ConfigurationDecoder {
    /// The words of `auth`, nginx's; `none` is a client that does not authenticate itself.
    private static let authWords = SASLMechanism.allCases.map { $0.rawValue.lowercased() } + ["none"]

    mutating func authentication(
        _ fields: Fields, _ path: String, into listener: inout RelayConfiguration.Listener
    ) {
        if let node = fields["lookup"] {
            listener.lookup = self.lookup(node, path + ".lookup", keys: Self.lookupKeys)
        }
        var words: Set<String> = []
        if let node = fields["auth"] { words = self.authWords(node, path + ".auth") }
        listener.mechanisms = SASLMechanism.allCases.filter { words.contains($0.rawValue.lowercased()) }
        listener.requiresAuthentication = !listener.mechanisms.isEmpty && !words.contains("none")
        if let node = fields["users"] {
            listener.users = self.users(node, path + ".users", listener, hasAuth: fields["auth"] != nil)
        }
        guard let node = fields["auth"], !listener.mechanisms.isEmpty else { return }
        let asks = fields["lookup"] != nil || self.hasLookup
        if fields["users"] == nil, !asks {
            self.error(
                node.mark, path + ".auth", "nobody can tell who a client is: it needs users (a file), or a lookup")
        }
        if fields["users"] != nil, listener.mechanisms.contains(.external) {
            self.error(node.mark, path + ".auth", "external needs a lookup: a users file knows no certificates")
        }
    }

    private mutating func authWords(_ node: YAMLNode, _ path: String) -> Set<String> {
        guard let elements = self.elements(node, path) else { return [] }
        if elements.isEmpty { self.error(node.mark, path, "it is empty: write [none] for no AUTH") }
        var words: Set<String> = []
        for (index, element) in elements.enumerated() {
            let path = "\(path)[\(index)]"
            guard let word = self.word(element, path, Self.authWords) else { continue }
            if !words.insert(word).inserted { self.error(element.mark, path, "\(word) is here a second time") }
        }
        return words
    }

    private mutating func users(
        _ node: YAMLNode, _ path: String, _ listener: RelayConfiguration.Listener, hasAuth: Bool
    ) -> String? {
        guard let file = self.text(node, path, "the path of a file") else { return nil }
        guard file.hasPrefix("/"), file.utf8.count < 4096, !file.utf8.contains(0) else {
            self.error(node.mark, path, "\"\(file)\" is not an absolute path")
            return nil
        }
        if !hasAuth {
            self.error(
                node.mark, path, "without auth nobody is asked for a password: write auth: [plain, login] as well")
        }
        if self.readsFiles { self.checkUsers(file, node.mark, path, listener) }
        return file
    }

    private mutating func checkUsers(
        _ file: String, _ mark: YAMLMark, _ path: String, _ listener: RelayConfiguration.Listener
    ) {
        do {
            let (octets, status) = try UserFile.read(file)
            if status.isReadableByOthers {
                self.warning(mark, path, "every user of this system can read \(file) and try passwords: chmod o-r")
            }
            if status.isWritableByOthers {
                self.warning(mark, path, "others than its owner may write to \(file): chmod go-w")
            }
            let table = try UserTable(octets)
            for warning in table.warnings { self.warning(mark, path, "\(file):\(warning.line): \(warning.message)") }
            if table.count == 0 { self.warning(mark, path, "there is no user in \(file)") }
            if listener.mechanisms.contains(.cramMD5), !table.knowsPasswords {
                self.warning(mark, path, "cram-md5 needs passwords in clear, {PLAIN}, and there is none in \(file)")
            }
        } catch let error as UserFile.ReadError {
            self.error(mark, path, error.message)
        } catch let problem as UserTable.Problem {
            self.error(mark, path, "\(file):\(problem.line): \(problem.message)")
        } catch {
            self.error(mark, path, "\(file): \(error)")
        }
    }

    /// Passwords in clear, where others than this machine may listen.
    mutating func warnOfClearText(_ listener: RelayConfiguration.Listener, _ mark: YAMLMark, _ path: String) {
        guard listener.tls == .none, listener.mechanisms.contains(.plain) || listener.mechanisms.contains(.login) else {
            return
        }
        if case .address(let address, port: _) = listener.place, address.isLoopback { return }
        self.warning(mark, path, "passwords would cross the network in clear here (auth without tls)")
    }
}
