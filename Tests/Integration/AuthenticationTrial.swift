import Foundation

/// A relay whose clients authenticate themselves, between a scripted client, a scripted backend and a scripted lookup.
///
/// The lookup lets the user "user" with the password "secret" in, and everybody's recipients.
struct AuthenticationTrial {
    let network: TestNetwork
    let backend: ScriptedBackend
    let lookup: ScriptedLookup
    let relay: RelayUnderTest

    /// What AUTH PLAIN says: base64 of NUL, name, NUL, password.
    static func plain(_ user: String, _ password: String) -> String { self.base64("\0\(user)\0\(password)") }

    static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    /// - Parameters:
    ///   - listener: what relay.yaml says of the listener.
    ///   - answer: what the lookup says; nil: as above.
    ///   - more: lines of relay.yaml.
    init(
        _ listener: String = "auth: [plain, login, cram-md5]", _ more: String = "",
        answer: (@Sendable (ScriptedLookup.Request) -> ScriptedLookup.Answer)? = nil
    ) throws {
        self.network = try TestNetwork()
        self.backend = try ScriptedBackend(self.network)
        let answer =
            answer ?? { request in
                let isGood = request.value("Auth-User") == "user" && request.value("Auth-Pass") == "secret"
                return isGood || request.value("Auth-Method") == "none"
                    ? ScriptedLookup.accepting
                    : .fields(["Auth-Status: Invalid login or password", "Auth-Wait: 1"])
            }
        self.lookup = try ScriptedLookup(self.network, answer)
        self.relay = try RelayUnderTest(
            in: self.network, listener: listener,
            """
            lookup:
              url: http://127.0.0.1/mail/auth
            limits: {errors: 100}
            \(more)
            """)
    }

    func greeted() throws -> SMTPDialogue { try self.relay.greeted() }

    /// What the relay has logged, as soon as a line is as wanted.
    func logged(_ test: (String) -> Bool) throws -> String {
        _ = try self.relay.program.line(test)
        return self.relay.program.text
    }

    /// The log has none of these, however they are written.
    func expectUnlogged(_ secrets: [String]) throws {
        let text = self.relay.program.text
        for secret in secrets {
            for form in [secret, Self.base64(secret)] where text.contains(form) {
                throw HarnessError("the log has “\(form)” in it:\n\(text)")
            }
        }
    }
}
