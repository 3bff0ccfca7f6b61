@testable import NginxImport

/// Files that a test has written.
struct MemoryFiles: NginxFiles {
    var files: [String: String] = [:]

    func octets(of path: String) throws(NginxFileError) -> [UInt8] {
        guard let text = self.files[path] else { throw NginxFileError("there is no such file") }
        return Array(text.utf8)
    }

    /// (Only `*` at the end of the folder's path.)
    func matches(_ pattern: String) throws(NginxFileError) -> [String] {
        let parts = pattern.split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false)
        return self.files.keys.filter { $0.hasPrefix(parts[0]) && $0.hasSuffix(parts[1]) }.sorted()
    }
}

/// Imports a text as /etc/nginx/nginx.conf.
func imported(_ text: String, _ others: [String: String] = [:]) throws -> NginxImport {
    var files = MemoryFiles(files: others)
    files.files["/etc/nginx/nginx.conf"] = text
    return try NginxImport("/etc/nginx/nginx.conf", from: files)
}

/// Why a text is refused: `LINE: MESSAGE`, or the whole description where another file is to blame; nil if it is not.
func refusal(_ text: String, _ others: [String: String] = [:]) -> String? {
    do {
        _ = try imported(text, others)
        return nil
    } catch let error as NginxConfigurationError {
        return error.file == "/etc/nginx/nginx.conf" ? "\(error.line): \(error.message)" : error.description
    } catch {
        return "\(error)"
    }
}

/// A mail section with one server, which has what is given.
func server(_ inside: String, mail: String = "auth_http 127.0.0.1/auth;") -> String {
    "events {}\nmail {\n\(mail)\nserver {\n\(inside)\n}\n}\n"
}
