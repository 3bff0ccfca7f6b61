/// What an nginx.conf says about mail, with inheritance resolved.
struct NginxMail {
    /// The servers that speak SMTP, in order.
    var servers: [MailServer] = []
    /// What was found on the way that relay.yaml does not say, or says otherwise.
    var notes: [ImportNote] = []
    /// How long sessions may go on when nginx stops, in milliseconds; nil where it does not say.
    var shutdownTime: Int?
}

extension NginxMail {
    /// Reads the directives of a whole nginx.conf.
    ///
    /// Fails where nginx would not start with it.
    init(_ directives: [NginxDirective], folder: String) throws(NginxConfigurationError) {
        var mail: NginxDirective?
        for directive in directives {
            if directive.name == "mail" {
                guard mail == nil else { throw directive.error("\"mail\" directive is duplicate") }
                guard directive.arguments.isEmpty else {
                    throw directive.error("invalid number of arguments in \"mail\" directive")
                }
                guard directive.block != nil else {
                    throw directive.error("directive \"mail\" has no opening \"{\"")
                }
                mail = directive
            } else if directive.name == "worker_shutdown_timeout" {
                self.shutdownTime = try Self.shutdownTime(directive)
            } else if MailDirective.all[directive.name] != nil, MailDirective.ofMain[directive.name] == nil {
                throw directive.error("\"\(directive.name)\" directive is not allowed here")
            } else {
                if NginxReader<NoFiles>.skipped.contains(directive.name), directive.block == nil {
                    throw directive.error("directive \"\(directive.name)\" has no opening \"{\"")
                }
                let reason = MailDirective.ofMain[directive.name] ?? "not one of nginx's own, and not known here"
                self.notes.append(ImportNote(directive, reason))
            }
        }
        guard let mail else {
            throw NginxConfigurationError(
                file: directives.first?.file ?? "nginx.conf", line: 0,
                message: "there is no mail {} in it, and so nothing to import")
        }
        try self.read(mail, folder: folder)
    }

    private static func shutdownTime(_ directive: NginxDirective) throws(NginxConfigurationError) -> Int {
        guard directive.arguments.count == 1, directive.block == nil else {
            throw directive.error("invalid number of arguments in \"worker_shutdown_timeout\" directive")
        }
        guard let time = NginxValue.milliseconds(directive.text(0)) else {
            throw directive.error("\"worker_shutdown_timeout\" directive invalid value")
        }
        return time
    }

    private mutating func read(_ mail: NginxDirective, folder: String) throws(NginxConfigurationError) {
        var level = MailLevel()
        var servers: [(NginxDirective, MailLevel)] = []
        for directive in mail.block ?? [] {
            let known = try Self.known(directive, in: .mail)
            guard directive.name != "server" else {
                var own = MailLevel()
                for directive in directive.block ?? [] {
                    let known = try Self.known(directive, in: .server)
                    try own.add(directive, isRepeatable: known.isRepeatable)
                    self.note(directive, known)
                }
                servers.append((directive, own))
                continue
            }
            try level.add(directive, isRepeatable: known.isRepeatable)
            self.note(directive, known)
        }
        var bound: Set<MailListen.Socket> = []
        for (directive, own) in servers {
            let scope = MailScope(mail: level, server: own)
            let server = try MailServer(directive, scope, folder: folder)
            for listen in server.listens {
                for socket in listen.sockets where !bound.insert(socket).inserted {
                    throw listen.directive.error("duplicate \"\(socket.place)\" address and port pair")
                }
            }
            guard server.protocol == "smtp" else {
                self.notes.append(
                    ImportNote(directive, "a server for \(server.protocol.uppercased()): the relay speaks SMTP only"))
                continue
            }
            self.servers.append(server)
        }
        guard !self.servers.isEmpty else {
            throw mail.error("there is no server for SMTP in mail {}, and so nothing to import")
        }
    }

    private static func known(
        _ directive: NginxDirective, in context: MailDirective.Context
    ) throws(NginxConfigurationError) -> MailDirective {
        let name = Printable.text(directive.name)
        guard let known = MailDirective.all[directive.name] else {
            if directive.name == "mail" || MailDirective.ofMain[directive.name] != nil {
                throw directive.error("\"\(name)\" directive is not allowed here")
            }
            throw directive.error("unknown directive \"\(name)\"")
        }
        guard known.contexts.contains(context) else {
            throw directive.error("\"\(name)\" directive is not allowed here")
        }
        try known.check(directive)
        return known
    }

    private mutating func note(_ directive: NginxDirective, _ known: MailDirective) {
        if let reason = known.leftOut { self.notes.append(ImportNote(directive, reason)) }
    }
}

/// Where none are to be read.
private struct NoFiles: NginxFiles {
    func octets(of path: String) throws(NginxFileError) -> [UInt8] { throw NginxFileError("there are no files here") }
    func matches(_ pattern: String) throws(NginxFileError) -> [String] { [] }
}
