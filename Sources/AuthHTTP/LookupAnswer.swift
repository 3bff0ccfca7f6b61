package import NIOCore
package import SMTPCore

/// What a server of nginx's auth_http protocol answered.
package enum LookupAnswer: Equatable, Sendable {
    /// The client may, and this backend serves it.
    case allowed(Allowed)
    /// The client may, and a backend with this name serves it: its address has yet to be found.
    case named(Named)
    /// The client may not.
    case denied(Denial)
    /// Ask again after so many seconds, 1 to ``longestWait``.
    case wait(seconds: Int)
    /// The answer makes no sense, for the reason given: an error of the server, never the client's.
    case invalid(reason: String)

    /// The longest Auth-Wait, in seconds: longer ones are cut. What the client waits for has a budget as a whole, and
    /// a longer wait would spend it all.
    package static let longestWait = 60

    /// Where to go, and as whom.
    package struct Allowed: Equatable, Sendable {
        /// Auth-Server and Auth-Port: the backend, an IP address and a port, or a Unix socket.
        package var server: SocketAddress
        /// Auth-User: it replaces the login; nil where the answer has none.
        package var user: String?
        /// Auth-Pass: it replaces the password; nil where the answer has none. Never to be logged.
        package var password: String?
        /// Auth-Group: answers with the same group may share a transaction though their servers differ.
        package var group: String?

        /// Makes an answer.
        package init(server: SocketAddress, user: String? = nil, password: String? = nil, group: String? = nil) {
            self.server = server
            self.user = user
            self.password = password
            self.group = group
        }
    }

    /// ``Allowed``, where Auth-Server is a host name. Deviates: nginx takes addresses alone.
    package struct Named: Equatable, Sendable {
        /// Auth-Server: letters, digits, `-`, `_` and `.`.
        package var host: String
        /// Auth-Port.
        package var port: Int
        /// Auth-User.
        package var user: String?
        /// Auth-Pass. Never to be logged.
        package var password: String?
        /// Auth-Group.
        package var group: String?

        /// The same with the address that was found.
        func at(_ address: SocketAddress) -> Allowed {
            Allowed(server: address, user: self.user, password: self.password, group: self.group)
        }
    }

    /// What to tell the client.
    package struct Denial: Equatable, Sendable {
        /// 400 to 599.
        package var replyCode: UInt16
        /// Nil where Auth-Error-Code has a reply code alone.
        package var enhancedCode: EnhancedStatusCode?
        /// One line of printable ASCII that fits a reply line.
        package var text: String
        /// Auth-Wait, in seconds, 1 to ``longestWait``: reply after so long and let the session go on. Nil: reply at
        /// once and close.
        package var wait: Int?

        /// Makes a denial.
        package init(
            replyCode: UInt16 = 535,
            enhancedCode: EnhancedStatusCode? = EnhancedStatusCode(5, 7, 0),
            text: String,
            wait: Int? = nil
        ) {
            self.replyCode = replyCode
            self.enhancedCode = enhancedCode
            self.text = text
            self.wait = wait
        }
    }
}

/// How a lookup ended: what is left of ``LookupAnswer`` when waiting is done and errors are told apart.
package enum LookupVerdict: Equatable, Sendable {
    /// The client may, and this backend serves it.
    case allowed(LookupAnswer.Allowed)
    /// The client may not.
    case denied(LookupAnswer.Denial)
}

extension LookupAnswer.Allowed: CustomStringConvertible, CustomReflectable {
    /// Everything but the password.
    package var description: String {
        "\(self.server) user=\(self.user ?? "-") group=\(self.group ?? "-")"
    }

    /// Without the password, since a failed comparison or a `dump` ends in a log.
    package var customMirror: Mirror {
        Mirror(self, children: ["server": self.server, "group": self.group as Any], displayStyle: .struct)
    }
}

extension LookupAnswer.Named: CustomStringConvertible, CustomReflectable {
    /// Everything but the password.
    package var description: String {
        "\(self.host):\(self.port) user=\(self.user ?? "-") group=\(self.group ?? "-")"
    }

    /// Without the password, as ``LookupAnswer/Allowed``.
    package var customMirror: Mirror {
        Mirror(
            self, children: ["host": self.host, "port": self.port, "group": self.group as Any], displayStyle: .struct)
    }
}
