import AuthHTTP
import NIOCore
import Routing

extension ConfigurationDecoder {
    /// What a lookup has, of all listeners or of one.
    static let lookupKeys = Keys(
        "url", "urls", "timeout", "headers", "more-headers", "ca", "allow", "pass-client-certificate",
        later: ["message", "identity", "auth", "tls", "pool"])

    /// Whom to ask: the lookup of all listeners, or of one.
    mutating func lookup(_ node: YAMLNode, _ path: String, keys: Keys) -> LookupConfiguration? {
        guard let fields = self.fields(node, path, keys) else { return nil }
        let headers = self.lookupHeaders(fields["headers"], path)
        let timeout = fields["timeout"].map {
            self.duration($0, path + ".timeout", .milliseconds(100)...(.minutes(2)))
        }
        let more = fields["more-headers"].flatMap { self.word($0, path + ".more-headers", ["on", "off"]) }
        let trusted = fields["ca"].flatMap { self.trustedCertificates($0, path + ".ca") }
        let allow = fields["allow"].map { self.allowances($0, path + ".allow") }
        let passes = self.either(fields["pass-client-certificate"], path + ".pass-client-certificate", "on", or: "off")
        let endpoints = self.endpoints(fields, path)
        guard !endpoints.isEmpty else { return nil }
        if let ca = fields["ca"], !endpoints.contains(where: \.isSecure) {
            self.warning(ca.mark, path + ".ca", "no URL is https: nothing is verified with it")
        }
        var configuration = LookupConfiguration(endpoints: endpoints)
        configuration.extraHeaders = headers
        if let timeout, let timeout { configuration.timeout = timeout }
        configuration.sendsMoreHeaders = more == "on"
        configuration.trustedCertificates = trusted
        configuration.allow = allow
        configuration.passesClientCertificate = passes ?? false
        return configuration
    }

    private mutating func endpoints(_ fields: Fields, _ path: String) -> [LookupEndpoint] {
        switch (fields["url"], fields["urls"]) {
        case (nil, nil):
            self.error(fields.mark, path, "it has no url")
            return []
        case (_?, let urls?):
            self.error(urls.mark, "lookup", "it has a url and urls: write all of them under urls")
            return []
        case (let url?, nil):
            return self.endpoint(url, path + ".url").map { [$0] } ?? []
        case (nil, let urls?):
            guard let elements = self.elements(urls, path + ".urls") else { return [] }
            if elements.isEmpty { self.error(urls.mark, path + ".urls", "there has to be one at least") }
            var endpoints: [LookupEndpoint] = []
            for (index, element) in elements.enumerated() {
                guard let endpoint = self.endpoint(element, "\(path).urls[\(index)]") else { continue }
                if endpoints.contains(endpoint) {
                    self.error(element.mark, "\(path).urls[\(index)]", "\(endpoint) is here a second time")
                }
                endpoints.append(endpoint)
            }
            return endpoints
        }
    }

    private mutating func endpoint(_ node: YAMLNode, _ path: String) -> LookupEndpoint? {
        guard let text = self.text(node, path, "a URL that begins with http:// or https://") else { return nil }
        do {
            return try LookupEndpoint(parsing: text)
        } catch {
            self.error(node.mark, path, error.message)
            return nil
        }
    }

    private mutating func lookupHeaders(_ node: YAMLNode?, _ path: String) -> [ExtraHeader] {
        var headers: [ExtraHeader] = []
        for entry in node.flatMap({ self.entries($0, path + ".headers") }) ?? [] {
            guard let value = self.text(entry.value, "\(path).headers.\(entry.key)") else { continue }
            do {
                headers.append(try ExtraHeader(name: entry.key, value: value))
            } catch {
                self.error(entry.mark, path + ".headers", error.message)
            }
        }
        return headers
    }

    private mutating func trustedCertificates(_ node: YAMLNode, _ path: String) -> String? {
        guard let file = self.text(node, path, "a path") else { return nil }
        guard file.hasPrefix("/") else {
            self.error(node.mark, path, "\"\(file)\" is not an absolute path")
            return nil
        }
        if let problem = LookupConfiguration.problem(trustedCertificates: file) {
            self.error(node.mark, path, problem)
            return nil
        }
        return file
    }

    private mutating func allowances(_ node: YAMLNode, _ path: String) -> [LookupAllowance] {
        guard let elements = self.elements(node, path) else { return [] }
        if elements.isEmpty {
            self.error(node.mark, path, "there has to be one at least: no answer could name a server")
        }
        var allowances: [LookupAllowance] = []
        for (index, element) in elements.enumerated() {
            let path = "\(path)[\(index)]"
            guard let text = self.text(element, path, "an address, a network or a Unix socket") else { continue }
            do {
                allowances.append(try LookupAllowance(parsing: text))
            } catch {
                self.error(element.mark, path, error.message)
            }
        }
        return allowances
    }
}
