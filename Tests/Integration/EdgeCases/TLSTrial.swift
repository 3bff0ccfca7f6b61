import Foundation
import Testing

/// A relay with TLS in a network of its own, with certificates, and Python's clients and backends against it.
struct TLSTrial {
    let network: TestNetwork
    /// Where the certificates are: see Mail/tls.py.
    let folder: String

    /// Makes the network and the certificates.
    init() throws {
        self.network = try TestNetwork()
        self.folder = try RelayWorld.newFolder()
        let script = """
            set -e; cd "$1"
            key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out $1.key 2>/dev/null; }
            root() { key $1; openssl req -x509 -new -key $1.key -out $1.pem -subj "/CN=$1" -days 30; }
            leaf() { # NAME SUBJECT NAMES DAYS
                key $1; openssl req -new -key $1.key -out $1.csr -utf8 -subj "$2"
                printf 'subjectAltName=%s\\n' "$3" >$1.ext
                openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $1.pem -extfile $1.ext \\
                    -days $4 2>/dev/null
            }
            root ca; root rogue
            for name in mail new1 new2 new3; do leaf $name /CN=mail.flxw.de DNS:mail.flxw.de 30; done
            leaf other /CN=other.flxw.de 'DNS:other.flxw.de,DNS:*.wild.flxw.de' 30
            leaf client '/C=DE/O=Ex, Inc/CN=Zoë' DNS:client 30
            leaf expired /CN=expired DNS:client -1
            key constrained; openssl req -new -key constrained.key -out constrained.csr -subj /CN=constrained
            printf 'policyConstraints=critical,requireExplicitPolicy:0\\n' >constrained.ext
            openssl x509 -req -in constrained.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out constrained.pem \\
                -extfile constrained.ext -days 30 2>/dev/null
            cp mail.pem live.pem; cp mail.key live.key
            chmod 644 *.pem *.key; echo made
            """
        let (status, text) = try self.network.run(["sh", "-c", script, "sh", self.folder])
        guard status == 0, text.hasSuffix("made") else { throw HarnessError("certificates: \(text)") }
    }

    /// What relay.yaml says of TLS at the top.
    var settings: String {
        """
        tls:
          certificates:
            - {certificate: \(self.folder)/live.pem, key: \(self.folder)/live.key}
            - {certificate: \(self.folder)/other.pem, key: \(self.folder)/other.key}
          client-ca: \(self.folder)/ca.pem
        """
    }

    /// A relay whose listeners, from 2526 up, say this of TLS each; its routes send everybody to 2525.
    func relay(_ listeners: String..., more: String = "") throws -> RelayUnderTest {
        // (The harness writes the first listener; the others are lines behind it.)
        let others = listeners.dropFirst().enumerated().map { index, settings in
            "  - {address: \"127.0.0.1:\(2527 + index)\", \(settings)}"
        }
        return try RelayUnderTest(
            in: self.network, listener: listeners[0],
            (others + [self.settings, more.isEmpty ? Self.everybody : more]).joined(separator: "\n"))
    }

    static let everybody = """
        routes:
          - recipients: "*"
            backends: ["127.0.0.1:2525"]
        """

    /// Runs a case of Mail/tls.py to its end; what it printed.
    @discardableResult
    func play(_ name: String, port: UInt16 = 2526, _ more: String...) throws -> String {
        let (status, text) = try self.network.run(
            self.command(name, port, self.folder) + more, within: .seconds(120))
        #expect(status == 0, "\(name): \(text)")
        return text
    }

    /// Starts a backend of Mail/tls.py that does as `mode` says: what, and the certificate that it shows.
    func backend(_ mode: String, port: UInt16) throws -> RunningProgram {
        let folder = self.folder + "/\(port)"
        try FileManager.default.copyItem(atPath: self.folder, toPath: folder)
        try Data(mode.utf8).write(to: URL(fileURLWithPath: folder + "/mode"))
        let program = try self.network.start(self.command("backend", port, folder))
        _ = try program.line { $0 == "listening" }
        return program
    }

    func command(_ name: String, _ port: UInt16, _ folder: String) -> [String] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Mail/tls.py").path
        return ["python3", "-B", "-W", "ignore", file, name, "\(port)", folder]
    }
}
