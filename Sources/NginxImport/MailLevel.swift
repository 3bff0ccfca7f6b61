/// What a block of nginx's mail says by itself: `mail {}`, or one `server {}`.
struct MailLevel {
    /// The directives by name, in order. Checked: each argument is what its directive takes.
    private var directives: [String: [NginxDirective]] = [:]

    /// Takes one that was checked; fails where nginx takes it only once.
    mutating func add(_ directive: NginxDirective, isRepeatable: Bool) throws(NginxConfigurationError) {
        if !isRepeatable, self.directives[directive.name] != nil {
            throw directive.error("\"\(Printable.text(directive.name))\" directive is duplicate")
        }
        self.directives[directive.name, default: []].append(directive)
        // (nginx looks at one block only: what is inherited is not in conflict.)
        guard directive.name == "ssl" || directive.name == "starttls",
            self["ssl"].last.flatMap({ NginxValue.flag($0.text(0)) }) == true,
            let mode = self["starttls"].last?.text(0).lowercased(), mode != "off"
        else { return }
        throw directive.error(
            directive.name == "ssl"
                ? "\"starttls\" directive conflicts with \"ssl on\""
                : "\"ssl\" directive conflicts with \"starttls\"")
    }

    subscript(_ name: String) -> [NginxDirective] { self.directives[name] ?? [] }
}

/// What holds in a server: what it says itself, or else what `mail {}` says.
///
/// As in nginx, of what may stand several times (headers, capabilities, certificates) the server's replaces all of
/// mail's.
struct MailScope {
    var mail: MailLevel
    var server: MailLevel

    func all(_ name: String) -> [NginxDirective] {
        let own = self.server[name]
        return own.isEmpty ? self.mail[name] : own
    }

    /// The one that counts, or nil.
    func last(_ name: String) -> NginxDirective? { self.all(name).last }

    func flag(_ name: String) -> Bool? { self.last(name).flatMap { NginxValue.flag($0.text(0)) } }
    func milliseconds(_ name: String) -> Int? { self.last(name).flatMap { NginxValue.milliseconds($0.text(0)) } }
    func number(_ name: String) -> Int? { self.last(name).flatMap { NginxValue.number($0.text(0)) } }
    func word(_ name: String) -> String? { self.last(name)?.text(0) }
    /// In lower case, since nginx does not look at it.
    func choice(_ name: String) -> String? { self.word(name)?.lowercased() }
    /// Every argument of every one.
    func words(_ name: String) -> [String] { self.all(name).flatMap { $0.arguments.map(\.text) } }
    /// Every argument, in lower case, each once.
    func choices(_ name: String) -> Set<String> { Set(self.words(name).map { $0.lowercased() }) }
}
