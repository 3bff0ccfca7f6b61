import NIOSSL
import Routing

/// Why a file of TLS cannot be used: the file, and what is wrong with it.
package struct TLSFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file's path.
    package var path: String
    /// What is wrong, as a clause.
    package var message: String

    /// `PATH: what is wrong`.
    package var description: String { "\(self.path): \(self.message)" }
}

/// A certificate and its key, read from their files and known to belong together.
struct LoadedCertificate: Sendable {
    /// The certificate, and the intermediate ones behind it.
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
    /// The host names that it is for, in lower case, `*.` at most in front.
    let names: [String]
    /// What is hardly meant, though it can be used.
    let warnings: [TLSFileError]

    /// Reads both files.
    init(_ files: CertificateFiles) throws(TLSFileError) {
        self.chain = try PEMFile.certificates(files.certificate, as: "the certificate")
        let key = try PEMFile.octets(files.key, as: "the key")
        do {
            self.key = try NIOSSLPrivateKey(bytes: key, format: .pem)
        } catch {
            throw TLSFileError(
                path: files.key, message: "it holds no private key that can be read: PEM without a passphrase")
        }
        let leaf = self.chain[0]
        self.names = leaf.hostNames
        var warnings: [TLSFileError] = []
        let now = systemTime()
        if Int64(leaf.notValidAfter) < now {
            warnings.append(TLSFileError(path: files.certificate, message: "the certificate has expired"))
        }
        if Int64(leaf.notValidBefore) > now {
            warnings.append(TLSFileError(path: files.certificate, message: "the certificate is not valid yet"))
        }
        self.warnings = warnings
        // The library compares the two where it is to use them.
        if (try? NIOSSLContext(configuration: self.configuration)) == nil {
            throw TLSFileError(path: files.key, message: "the key does not match the certificate \(files.certificate)")
        }
    }

    /// What a server needs that shows this certificate, and nothing else yet; no file is read for it.
    var configuration: TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: self.chain.map { .certificate($0) }, privateKey: .privateKey(self.key))
        configuration.trustRoots = .certificates([])
        configuration.shutdownTimeout = TLSContexts.farewell
        return configuration
    }

    /// Whether it is for a host name that a client asks for, which has a label for each `*` (RFC 9525 section 6.3).
    func serves(_ name: String) -> Bool {
        let name = name.lowercased()
        let parent = name.firstIndex(of: ".").map { "*" + name[$0...] }
        return self.names.contains { $0 == name || $0 == parent }
    }
}

/// PEM files.
enum PEMFile {
    /// The octets of a file, whole: one that is being written ends within a block, or between two.
    static func octets(_ path: String, as what: String) throws(TLSFileError) -> [UInt8] {
        let octets: [UInt8]
        do {
            octets = try ConfigurationFile.read(path, as: what)
        } catch {
            throw TLSFileError(path: path, message: error.message)
        }
        guard !octets.isEmpty else { throw TLSFileError(path: path, message: "it is empty") }
        let lines = octets.split(separator: UInt8(ascii: "\n"))
        let begun = lines.count { $0.starts(with: "-----BEGIN ".utf8) }
        let ended = lines.count { $0.starts(with: "-----END ".utf8) }
        guard begun == ended else { throw TLSFileError(path: path, message: "it ends in the middle of a PEM block") }
        guard begun > 0 else { throw TLSFileError(path: path, message: "it is not PEM") }
        return octets
    }

    /// The certificates in a file, at least one.
    static func certificates(_ path: String, as what: String) throws(TLSFileError) -> [NIOSSLCertificate] {
        let octets = try Self.octets(path, as: what)
        let certificates = try? NIOSSLCertificate.fromPEMBytes(octets)
        guard let certificates, !certificates.isEmpty else {
            throw TLSFileError(path: path, message: "it holds no certificate that can be read")
        }
        return certificates
    }
}

extension NIOSSLCertificate {
    /// The host names that it is for: those of subjectAltName, and where there is none the common name.
    fileprivate var hostNames: [String] {
        var names: [String] = []
        for name in self._subjectAlternativeNames() where name.nameType == .dnsName {
            names.append(String(decoding: name.contents, as: UTF8.self).lowercased())
        }
        if names.isEmpty { names = self.subjectName.filter { $0.type == .commonName }.map { $0.value.lowercased() } }
        return names
    }
}
