/// The files that an nginx.conf is made of, as whoever imports can reach them.
package protocol NginxFiles {
    /// The octets of a file; fails with why it cannot be read, as a clause.
    func octets(of path: String) throws(NginxFileError) -> [UInt8]
    /// The paths that a pattern with `*`, `?` or `[…]` stands for, sorted; none is no mistake.
    func matches(_ pattern: String) throws(NginxFileError) -> [String]
}

/// Why a file of an nginx.conf cannot be read.
package struct NginxFileError: Error, Equatable, Sendable {
    /// As a clause: "there is no such file".
    package var message: String
    /// Makes one.
    package init(_ message: String) { self.message = message }
}

/// Reads an nginx.conf with what it includes into a tree of directives.
///
/// What is in a block of `skipped`, at the top, is read as words and forgotten: it has to be well formed, but nothing in it
/// is known here, and its includes are not followed.
struct NginxReader<Files: NginxFiles> {
    /// Blocks of nginx's that mail has nothing to do with.
    static var skipped: Set<String> { ["http", "stream", "events"] }
    /// Files within files, and blocks within blocks; nginx has no bound but its memory.
    static var deepest: Int { 32 }
    /// All files together.
    static var mostOctets: Int { 4 * 1024 * 1024 }
    static var mostDirectives: Int { 100_000 }

    private let files: Files
    /// Where relative paths begin: the folder of the first file, as nginx's.
    private let folder: String
    private var octetsLeft = Self.mostOctets
    private var directivesLeft = Self.mostDirectives
    /// A word is an object that is counted: without a bound a small file could stand for a large memory.
    private var depth = 0

    private init(_ files: Files, folder: String) {
        self.files = files
        self.folder = folder
    }

    /// Reads the file at `path`.
    static func read(_ path: String, from files: Files) throws(NginxConfigurationError) -> [NginxDirective] {
        var reader = NginxReader(files, folder: NginxPath.folder(of: path))
        var directives: [NginxDirective] = []
        try reader.file(path, includedAt: nil, isTop: true, into: &directives)
        return directives
    }

    private mutating func file(
        _ path: String, includedAt include: NginxDirective?, isTop: Bool, into directives: inout [NginxDirective]
    ) throws(NginxConfigurationError) {
        func failure(_ message: String) -> NginxConfigurationError {
            let text = "open() \"\(Printable.text(path))\" failed: \(message)"
            return include?.error(text) ?? NginxConfigurationError(file: path, line: 0, message: message)
        }
        let octets: [UInt8]
        do {
            octets = try self.files.octets(of: path)
        } catch {
            var unreadable = failure(error.message)
            unreadable.isUnreadable = true
            throw unreadable
        }
        self.octetsLeft -= octets.count
        guard self.octetsLeft >= 0 else { throw failure("all files together are longer than 4 MiB") }
        var lexer = NginxLexer(octets)
        try self.statements(&lexer, file: path, isBlock: false, isTop: isTop, into: &directives)
    }

    /// Reads to the end of a block or of a file.
    private mutating func statements(
        _ lexer: inout NginxLexer, file: String, isBlock: Bool, isTop: Bool, into directives: inout [NginxDirective]
    ) throws(NginxConfigurationError) {
        self.depth += 1
        defer { self.depth -= 1 }
        while true {
            let token = try self.token(&lexer, file: file)
            func failure(_ message: String) -> NginxConfigurationError {
                NginxConfigurationError(file: file, line: lexer.line, message: message)
            }
            let words: [NginxWord]
            let opensBlock: Bool
            switch token {
            case .end:
                guard !isBlock else { throw failure("unexpected end of file, expecting \"}\"") }
                return
            case .blockEnd:
                guard isBlock else { throw failure("unexpected \"}\"") }
                return
            case .statement(let statement): (words, opensBlock) = (statement, false)
            case .blockStart(let start): (words, opensBlock) = (start, true)
            }
            guard let first = words.first else { continue }
            self.directivesLeft -= 1
            guard self.directivesLeft >= 0 else { throw failure("more than \(Self.mostDirectives) directives") }
            guard self.depth < Self.deepest else { throw failure("blocks and includes more than \(Self.deepest) deep") }
            var directive = NginxDirective(
                name: first.text, arguments: Array(words.dropFirst()), file: file, line: lexer.line)
            if directive.name == "include" {
                guard !opensBlock else { throw failure("directive \"include\" is not terminated by \";\"") }
                try self.include(directive, isTop: isTop, into: &directives)
                continue
            }
            if opensBlock {
                if isTop, Self.skipped.contains(directive.name) {
                    try self.skip(&lexer, file: file)
                    directive.block = []
                } else {
                    var block: [NginxDirective] = []
                    try self.statements(&lexer, file: file, isBlock: true, isTop: false, into: &block)
                    directive.block = block
                }
            }
            directives.append(directive)
        }
    }

    private func token(
        _ lexer: inout NginxLexer, file: String
    ) throws(NginxConfigurationError) -> NginxLexer.Token {
        do {
            return try lexer.next()
        } catch {
            throw NginxConfigurationError(file: file, line: error.line, message: error.message)
        }
    }

    /// Reads to the end of a block that is forgotten.
    private func skip(_ lexer: inout NginxLexer, file: String) throws(NginxConfigurationError) {
        var open = 1
        while open > 0 {
            switch try self.token(&lexer, file: file) {
            case .statement: break
            case .blockStart: open += 1
            case .blockEnd: open -= 1
            case .end:
                throw NginxConfigurationError(
                    file: file, line: lexer.line, message: "unexpected end of file, expecting \"}\"")
            }
        }
    }

    private mutating func include(
        _ directive: NginxDirective, isTop: Bool, into directives: inout [NginxDirective]
    ) throws(NginxConfigurationError) {
        guard directive.arguments.count == 1 else {
            throw directive.error("invalid number of arguments in \"include\" directive")
        }
        let path = NginxPath.absolute(directive.text(0), in: self.folder)
        var paths = [path]
        if path.contains(where: { "*?[".contains($0) }) {
            do {
                paths = try self.files.matches(path)
            } catch {
                throw directive.error("glob() \"\(Printable.text(path))\" failed: \(error.message)")
            }
        }
        for path in paths { try self.file(path, includedAt: directive, isTop: isTop, into: &directives) }
    }
}

/// Paths as nginx.conf has them.
enum NginxPath {
    /// The folder that a file is in; "" for the one where the program runs.
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// A path that does not begin with a slash begins in `folder`.
    static func absolute(_ path: String, in folder: String) -> String {
        if path.hasPrefix("/") || folder.isEmpty { return path }
        return folder == "/" ? "/" + path : folder + "/" + path
    }
}
