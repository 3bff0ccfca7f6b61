/// Why an nginx.conf cannot be read: at which place of which file, in nginx's own words where it has some.
package struct NginxConfigurationError: Error, Equatable, Sendable {
    /// The file, as it was opened.
    package var file: String
    /// From 1; 0 where no line is to blame.
    package var line: Int
    /// What is wrong.
    package var message: String
    /// The file that was named, or one that it includes, cannot be read.
    package var isUnreadable = false
}

extension NginxConfigurationError: CustomStringConvertible {
    /// `FILE:LINE: MESSAGE`.
    package var description: String {
        let place = Printable.text(self.file)
        return self.line == 0 ? "\(place): \(self.message)" : "\(place):\(self.line): \(self.message)"
    }
}

/// Words of a file that somebody else wrote, made fit for one line of a terminal or a comment.
enum Printable {
    /// The text with controls as `?`, and cut behind 200 characters.
    static func text(_ text: some StringProtocol) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            guard result.count < 200 else {
                result.append(contentsOf: "…".unicodeScalars)
                break
            }
            result.append(Self.isControl(scalar) ? "?" : scalar)
        }
        return String(result)
    }

    /// Whether it is a control, a line's end in YAML among them, or changes the direction of what follows.
    static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF, 0xFFFE...0xFFFF: true
        default: false
        }
    }
}
