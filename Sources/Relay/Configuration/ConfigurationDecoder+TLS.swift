import Routing
import SMTPCore

extension ConfigurationDecoder {
    /// `tls` at the top.
    mutating func tls(_ node: YAMLNode, into draft: inout ConfigurationDraft) {
        let keys = Keys("certificates", "protocols", "ciphers", "session-tickets", "client-ca", "verify-depth")
        guard let fields = self.fields(node, "tls", keys) else { return }
        if let node = fields["certificates"] {
            draft.tls.certificates = self.certificates(node, "tls.certificates", into: &draft)
        }
        if let node = fields["protocols"] { draft.tls.protocols = self.protocols(node, "tls.protocols") }
        if let node = fields["ciphers"], let list = self.text(node, "tls.ciphers", "a list of cipher suites") {
            draft.tls.ciphers = CipherSuite.parse(list).map(\.name)
            if draft.tls.ciphers.isEmpty {
                self.error(
                    node.mark, "tls.ciphers",
                    "\"\(list)\" names no cipher suite of TLS 1.2 that there is, such as \(CipherSuite.standard[0].name)"
                )
            }
        }
        if let isOn = self.either(fields["session-tickets"], "tls.session-tickets", "on", or: "off") {
            draft.tls.sessionTickets = isOn
        }
        if let node = fields["client-ca"], let path = self.path(node, "tls.client-ca") {
            draft.tls.clientAuthorities = path
            draft.files.append(
                .init(value: .authorities(path), mark: node.mark, path: "tls.client-ca"))
        }
        if let node = fields["verify-depth"], let depth = self.integer(node, "tls.verify-depth", 0...100) {
            draft.tls.verifyDepth = depth
        }
    }

    /// What a listener says of TLS.
    mutating func security(
        _ fields: Fields, _ path: String, into listener: inout RelayConfiguration.Listener,
        _ draft: inout ConfigurationDraft
    ) {
        if let mode: RelayConfiguration.Listener.TLSMode = self.choice(fields["tls"], path + ".tls") {
            listener.tls = mode
        }
        if let node = fields["certificates"] {
            listener.certificates = self.certificates(node, path + ".certificates", into: &draft)
        }
        let key = path + ".client-certificates"
        if let asked: RelayConfiguration.Listener.ClientCertificates = self.choice(fields["client-certificates"], key) {
            listener.clientCertificates = asked
        }
        for key in ["certificates", "client-certificates"] where listener.tls == .none {
            guard let node = fields[key] else { continue }
            self.error(node.mark, "\(path).\(key)", "this listener has no TLS: write tls: starttls")
        }
        guard listener.tls != .none, let node = fields["tls"] else { return }
        let mark = fields["client-certificates"]?.mark ?? node.mark
        draft.secured.append(.init(value: listener, mark: node.mark, path: path))
        guard listener.clientCertificates == .on || listener.clientCertificates == .optional else { return }
        draft.verifying.append(.init(value: listener.clientCertificates.rawValue, mark: mark, path: key))
    }

    /// What a group, a route or the lookup says of TLS towards its backends: a word, or a mapping with the rest.
    mutating func backendTLS(_ node: YAMLNode?, _ path: String, into draft: inout ConfigurationDraft) -> BackendTLS {
        var tls = BackendTLS()
        guard let node else { return tls }
        guard case .mapping = node.content else {
            if let mode: BackendTLS.Mode = self.choice(node, path) { tls.mode = mode }
            return tls
        }
        let keys = Keys("mode", "verify", "ca", "name", "certificate", "key", "protocols")
        guard let fields = self.fields(node, path, keys) else { return tls }
        if let mode: BackendTLS.Mode = self.choice(fields["mode"], path + ".mode") {
            tls.mode = mode
        } else if fields["mode"] == nil {
            self.error(node.mark, path, "it has no mode: write mode: starttls")
        }
        if let verifies = self.either(fields["verify"], path + ".verify", "on", or: "off") { tls.verifies = verifies }
        if let node = fields["ca"], let file = self.path(node, path + ".ca") {
            tls.authorities = file
            draft.files.append(.init(value: .authorities(file), mark: node.mark, path: path + ".ca"))
        }
        if let node = fields["name"], let name = self.text(node, path + ".name", "a host name") {
            if let problem = DomainName.problem(name) {
                self.error(node.mark, path + ".name", "\"\(name)\" is not a host name: \(problem)")
            }
            tls.name = name
        }
        switch (fields["certificate"], fields["key"]) {
        case (nil, nil): break
        case (let certificate?, let key?):
            if let files = self.pair(certificate, key, path) {
                tls.certificate = files
                draft.files.append(
                    .init(value: .certificate(files), mark: certificate.mark, path: path + ".certificate"))
            }
        case (let alone?, nil), (nil, let alone?):
            self.error(alone.mark, path, "a certificate and its key belong together: one of them is missing")
        }
        if let node = fields["protocols"] { tls.protocols = self.protocols(node, path + ".protocols") }
        return tls
    }

    private mutating func certificates(
        _ node: YAMLNode, _ path: String, into draft: inout ConfigurationDraft
    ) -> [CertificateFiles] {
        guard let elements = self.elements(node, path) else { return [] }
        if elements.isEmpty { self.error(node.mark, path, "there has to be one at least") }
        return elements.enumerated().compactMap { index, element in
            let path = "\(path)[\(index)]"
            guard let fields = self.fields(element, path, Keys("certificate", "key")) else { return nil }
            guard let certificate = fields["certificate"], let key = fields["key"] else {
                self.error(element.mark, path, "it needs a certificate and a key")
                return nil
            }
            guard let files = self.pair(certificate, key, path) else { return nil }
            draft.files.append(.init(value: .certificate(files), mark: certificate.mark, path: path))
            return files
        }
    }

    private mutating func pair(_ certificate: YAMLNode, _ key: YAMLNode, _ path: String) -> CertificateFiles? {
        let certificate = self.path(certificate, path + ".certificate")
        let key = self.path(key, path + ".key")
        guard let certificate, let key else { return nil }
        return CertificateFiles(certificate: certificate, key: key)
    }

    private mutating func path(_ node: YAMLNode, _ path: String) -> String? {
        guard let text = self.text(node, path, "a path") else { return nil }
        guard text.hasPrefix("/"), !text.utf8.contains(0) else {
            self.error(node.mark, path, "\"\(text)\" is not an absolute path")
            return nil
        }
        return text
    }

    private mutating func protocols(_ node: YAMLNode, _ path: String) -> Set<TLSProtocol> {
        guard let elements = self.elements(node, path) else { return Set(TLSProtocol.allCases) }
        if elements.isEmpty { self.error(node.mark, path, "there has to be one at least") }
        var protocols: Set<TLSProtocol> = []
        for (index, element) in elements.enumerated() {
            if let one: TLSProtocol = self.choice(element, "\(path)[\(index)]") { protocols.insert(one) }
        }
        return protocols
    }

    /// Finds what is wrong between the listeners and `tls`.
    mutating func checkSecurity(_ draft: ConfigurationDraft) {
        for listener in draft.secured where listener.value.certificates.isEmpty && draft.tls.certificates.isEmpty {
            self.error(
                listener.mark, listener.path + ".tls",
                "there is no certificate: write tls: {certificates: [{certificate: …, key: …}]} at the top")
        }
        for asked in draft.verifying where draft.tls.clientAuthorities == nil {
            self.error(
                asked.mark, asked.path, "\"\(asked.value)\" needs the authorities that are trusted: tls.client-ca")
        }
    }

    /// Reads every file of certificates, and tells of those that cannot be used where they are named.
    mutating func checkFiles(_ draft: ConfigurationDraft) {
        for file in draft.files {
            do throws(TLSFileError) {
                switch file.value {
                case .authorities(let path):
                    _ = try PEMFile.certificates(path, as: "the authorities")
                case .certificate(let files):
                    for warning in try LoadedCertificate(files).warnings {
                        self.warning(file.mark, file.path, "\(warning)")
                    }
                }
            } catch {
                self.error(file.mark, file.path, "\(error)")
            }
        }
    }
}
