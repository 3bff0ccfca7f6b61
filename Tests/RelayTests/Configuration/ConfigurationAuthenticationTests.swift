import AuthHTTP
import Foundation
import NIOCore
import SMTPCore
import Testing

@testable import Relay

@Suite("auth, users and lookup of a listener, in relay.yaml") struct ConfigurationAuthenticationTests {
    private static func text(_ settings: String, more: String = "") -> String {
        RelayConfigurationTests.minimal
            .replacing("socket: smtp", with: "{address: \"127.0.0.1:2526\", \(settings)}") + more
    }

    private func listener(_ settings: String, more: String = "") throws -> RelayConfiguration.Listener {
        let loaded = try decodeConfiguration(Self.text(settings, more: more))
        #expect(loaded.warnings.isEmpty)
        return try #require(loaded.configuration.listeners.first)
    }

    @Test("Mechanisms are in nginx's order, whatever the file's; none makes AUTH a matter of choice")
    func mechanisms() throws {
        let all = try self.listener("auth: [external, cram-md5, login, plain]", more: "\nlookup: {url: \"http://a/\"}")
        #expect(all.mechanisms == [.plain, .login, .cramMD5, .external])
        #expect(all.requiresAuthentication)
        let optional = try self.listener("auth: [login, none, plain], users: /etc/postern/users")
        #expect(optional.mechanisms == [.plain, .login])
        #expect(!optional.requiresAuthentication)
        #expect(optional.users == "/etc/postern/users")
        let none = try self.listener("auth: [none]")
        #expect(none.mechanisms.isEmpty && !none.requiresAuthentication)
        #expect(none == RelayConfiguration.Listener(none.place))
    }

    @Test("A listener's lookup is its own, and does in place of routes")
    func lookup() throws {
        let listener = try self.listener(
            "auth: [plain], lookup: {url: \"http://127.0.0.1:81/auth\", timeout: 1s, headers: {X-Key: a}}")
        #expect(listener.lookup?.endpoints == [try LookupEndpoint(parsing: "http://127.0.0.1:81/auth")])
        #expect(listener.lookup?.timeout == .seconds(1))
        #expect(listener.lookup?.extraHeaders.map(\.name) == ["X-Key"])
        let text = "listeners:\n  - {address: \"127.0.0.1:2526\", lookup: {url: \"http://a/\"}}\n"
        #expect(try decodeConfiguration(text).configuration.lookup == nil)
    }

    @Test("A summary says how clients are authenticated")
    func summary() throws {
        let text = Self.text("auth: [plain, none], users: /etc/u, lookup: {url: \"http://a/\"}")
        #expect(
            try decodeConfiguration(text).configuration.summary.contains(
                "listener: 127.0.0.1:2526, auth plain none, users /etc/u, lookup http://a:80/"))
    }

    @Test(
        "A mistake is told with its place and a remedy",
        arguments: [
            ("auth: plain", "2:39: listeners[0].auth: a list is expected here, not \"plain\""),
            ("auth: []", "2:39: listeners[0].auth: it is empty: write [none] for no AUTH"),
            (
                "auth: [plian], users: /u",
                "2:40: listeners[0].auth[0]: \"plian\" is not one of plain, login, cram-md5, external, none; did you mean "
                    + "\"plain\"?"
            ),
            ("auth: [plain, plain], users: /u", "2:47: listeners[0].auth[1]: plain is here a second time"),
            (
                "auth: [plain]",
                "2:39: listeners[0].auth: nobody can tell who a client is: it needs users (a file), or a lookup"
            ),
            (
                "auth: [external], users: /u",
                "2:39: listeners[0].auth: external needs a lookup: a users file knows no certificates"
            ),
            ("auth: [plain], users: u", "2:55: listeners[0].users: \"u\" is not an absolute path"),
            (
                "users: /u",
                "2:40: listeners[0].users: without auth nobody is asked for a password: write auth: [plain, login] as well"
            ),
            ("lookup: {}", "2:41: listeners[0].lookup: it has no url"),
            (
                "lookup: {url: \"http://a/\", message: {}}",
                "2:60: listeners[0].lookup: message is not in this version"
            ),
            (
                "lookup: {url: \"ftp://a/\"}",
                "2:47: listeners[0].lookup.url: \"ftp://a/\" is not a URL that begins with http:// or https://"
            ),
        ])
    func mistakes(_ settings: String, _ message: String) {
        #expect(configurationErrors(Self.text(settings)).contains(message))
    }

    @Test("Passwords in clear anywhere but on this machine are a warning")
    func clearText() throws {
        for (place, isWarned) in [
            ("address: \"[::1]:2526\"", false), ("address: \"0.0.0.0:2526\"", true), ("socket: smtp", true),
        ] {
            let text = RelayConfigurationTests.minimal
                .replacing("socket: smtp", with: "{\(place), auth: [plain], users: /u}")
            let warnings = try decodeConfiguration(text).warnings.map(\.message)
            let warning = "listeners[0]: passwords would cross the network in clear here (auth without tls)"
            #expect(warnings == (isWarned ? [warning] : []))
        }
    }

    /// What is said of a configuration whose users file has this text and mode.
    private func said(of users: String, mode: Int = 0o600, auth: String = "plain") throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "postern-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (file, path) = (folder.appending(path: "relay.yaml").path, folder.appending(path: "users").path)
        try Data(users.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        try Data(Self.text("auth: [\(auth)], users: \(path)").utf8).write(to: URL(filePath: file))
        let said: String
        do {
            said = try RelayConfiguration.load(path: file).warnings.map { $0.description(file: "F") }
                .joined(separator: "\n")
        } catch {
            said = error.problems.map { $0.description(file: "F") }.joined(separator: "\n")
        }
        #expect(!said.contains("hunter2"))
        return said.replacing(path, with: "U")
    }

    @Test("The users file is read, and what is wrong in it has its line")
    func users() throws {
        #expect(try self.said(of: "a:{PLAIN}hunter2\n", auth: "plain, cram-md5").isEmpty)
        #expect(
            try self.said(of: "a:{PLAIN}x\nb:hunter2\n").hasPrefix(
                "F:2:55: listeners[0].users: U:2: not a hash that is known"))
        #expect(try self.said(of: "") == "F:2:55: warning: listeners[0].users: there is no user in U")
        #expect(
            try self.said(of: "a:abNANd1rDfiNc", auth: "cram-md5").contains(
                "cram-md5 needs passwords in clear, {PLAIN}, and there is none in U"))
        #expect(
            try self.said(of: "a:{PLAIN}hunter2", mode: 0o644)
                == "F:2:55: warning: listeners[0].users: every user of this system can read U and try passwords: chmod o-r"
        )
        #expect(
            try self.said(of: "a:{PLAIN}hunter2", mode: 0o620)
                == "F:2:55: warning: listeners[0].users: others than its owner may write to U: chmod go-w")
    }

    @Test("A users file that is not there is an error at its key")
    func missing() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "postern-\(UUID().uuidString).yaml").path
        try Data(Self.text("auth: [plain], users: /nonexistent/users").utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let error = #expect(throws: ConfigurationError.self) { try RelayConfiguration.load(path: path) }
        #expect(
            error?.description
                == "\(path):2:55: listeners[0].users: open /nonexistent/users: No such file or directory")
    }
}
