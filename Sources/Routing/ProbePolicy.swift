package import SMTPCore

/// How the backends of a group are asked whether they are there, whatever sessions see of them.
package struct ProbePolicy: Hashable, Sendable {
    /// From the end of one probe to the next; varied by a tenth. While a backend is on its way from up to down, or back, it
    /// is a second at most.
    package var interval: Duration = .seconds(10)
    /// For a probe as a whole.
    package var timeout: Duration = .seconds(10)
    /// Whom RCPT names; nil: a probe ends with EHLO.
    package var recipient: ForwardPath?
    /// What MAIL names.
    package var sender = ReversePath.null
    /// The probes in a row that bring back a backend that is out.
    package var rise = 2
    /// The failed ones that take out a backend that is up.
    package var fall = 3
    /// Whether a refusal of MAIL or RCPT counts as a failure: a backend that answers is alive, whatever it thinks of the
    /// address.
    package var refusalIsFailure = false

    /// Makes the default policy.
    package init() {}

    /// Reads the address of a mailbox, with angle brackets or without, or `postmaster`; nil for anything else.
    package static func forwardPath(_ text: String) -> ForwardPath? {
        guard case .rcpt(let command)? = Self.command("RCPT TO:", text) else { return nil }
        return command.isASCII ? command.forwardPath : nil
    }

    /// Reads the address of a mailbox, or `<>`; nil for anything else.
    package static func reversePath(_ text: String) -> ReversePath? {
        guard case .mail(let command)? = Self.command("MAIL FROM:", text) else { return nil }
        return command.isASCII ? command.reversePath : nil
    }

    private static func command(_ verb: String, _ text: String) -> SMTPCommand? {
        // What stands behind a blank would be a parameter.
        guard !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else { return nil }
        let path = text.utf8.first == UInt8(ascii: "<") ? text : "<\(text)>"
        return try? CommandParser.command(Array("\(verb)\(path)".utf8).span)
    }
}

/// How the last probes of a backend went: a value, without a clock.
package struct ProbeCount: Equatable, Sendable {
    /// The probes in a row that speak against what the backend is now.
    package private(set) var contrary = 0

    /// Nothing is known yet.
    package init() {}

    /// Takes the outcome of a probe; returns whether the backend is to change from what it is.
    ///
    /// - Parameter isUp: what it is: sessions may have taken it out meanwhile.
    package mutating func take(_ isSuccess: Bool, isUp: Bool, _ policy: ProbePolicy) -> Bool {
        guard isSuccess != isUp else {
            self.contrary = 0
            return false
        }
        self.contrary += 1
        guard self.contrary >= (isUp ? policy.fall : policy.rise) else { return false }
        self.contrary = 0
        return true
    }
}
