/// A directive of an nginx.conf.
struct NginxDirective: Equatable, Sendable {
    /// The first word.
    var name: String
    /// The others.
    var arguments: [NginxWord]
    var file: String
    var line: Int
    /// What is between its braces; nil where it ends in `;`. A block that is skipped is empty.
    var block: [NginxDirective]?

    /// The text of an argument.
    func text(_ index: Int) -> String { index < self.arguments.count ? self.arguments[index].text : "" }

    func error(_ message: String) -> NginxConfigurationError {
        NginxConfigurationError(file: self.file, line: self.line, message: message)
    }
}

extension NginxDirective {
    /// How it is shown to people: one line, without what may be a secret.
    var shown: String {
        // A header for the auth server is where people put the word that it knows them by.
        let shown = self.name == "auth_http_header" ? self.arguments.prefix(1) : self.arguments[...]
        let words = [self.name] + shown.map(\.text)
        let rest = shown.count < self.arguments.count ? " …" : ""
        return words.map(Self.quoted).joined(separator: " ") + rest + (self.block == nil ? ";" : " {…}")
    }

    private static func quoted(_ word: String) -> String {
        let text = Printable.text(word)
        return text.isEmpty || text.contains(where: { " ;{}\"'#".contains($0) })
            ? "\"\(text.replacing("\"", with: "\\\""))\"" : text
    }
}
