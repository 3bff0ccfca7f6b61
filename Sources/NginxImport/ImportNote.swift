/// A directive that has no place in relay.yaml, or means something else there.
package struct ImportNote: Equatable, Sendable {
    /// Where it stands; line 0 for something that stands nowhere, as a default of nginx's.
    package var file: String
    /// From 1.
    package var line: Int
    /// The directive in one line, without the values of headers.
    package var directive: String
    /// Why it is left out, or what is different now.
    package var reason: String

    init(_ directive: NginxDirective, _ reason: String) {
        self.file = directive.file
        self.line = directive.line
        self.directive = directive.shown
        self.reason = reason
    }
}

extension ImportNote: CustomStringConvertible {
    /// `FILE:LINE: DIRECTIVE: REASON`.
    package var description: String {
        "\(Printable.text(self.file)):\(self.line): \(self.directive): \(self.reason)"
    }
}
