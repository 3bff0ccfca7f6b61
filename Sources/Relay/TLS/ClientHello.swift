/// What a TLS client says first, as far as it decides which certificate it gets (RFC 8446 section 4.1.2).
///
/// It is read before TLS begins: swift-nio-ssl tells of the name alone, and goes on where the client and the server have no
/// protocol in common.
struct ClientHello: Equatable, Sendable {
    /// The host name that the client asks for (RFC 6066 section 3); nil where it names none.
    var serverName: String?
    /// The protocols that the client would speak (RFC 7301); nil where it does not say.
    var protocols: [[UInt8]]?

    /// What the first octets of a connection are.
    enum Parsed: Equatable, Sendable {
        /// The whole of a ClientHello.
        case whole(ClientHello)
        /// More has to come: so many octets in all, at least.
        case needMore(Int)
        /// No TLS, or a ClientHello that cannot be read.
        case malformed
    }

    /// The longest ClientHello that is waited for; those of today, with keys of post-quantum groups, have 2 KiB.
    static let longest = 16 << 10

    /// The most records that it may be spread over: all are read again when one more has
    /// come, and no client makes more than a few.
    static let mostRecords = 32

    /// Reads the octets that have come so far, which are not used up.
    static func parse(_ octets: [UInt8]) -> Parsed {
        guard octets.first ?? 22 == 22, octets.count < 2 || octets[1] == 3 else { return .malformed }
        // Records first (RFC 8446 section 5.1): a ClientHello may be spread over several.
        var message: [UInt8] = []
        var records = Fields(octets[...])
        for _ in 0..<Self.mostRecords {
            let read = octets.count - records.rest.count
            guard let type = records.number(1), let version = records.number(2), let length = records.number(2) else {
                return .needMore(read + 5)
            }
            guard type == 22, version >> 8 == 3, (1...(1 << 14)).contains(length) else { return .malformed }
            guard let fragment = records.take(length) else { return .needMore(read + 5 + length) }
            message += fragment
            // A message of another type, or of an endless length, is known by its head.
            guard message.first == 1 else { return .malformed }
            guard message.count >= 4 else { continue }
            let size = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
            guard size <= Self.longest else { return .malformed }
            guard message.count - 4 >= size else { continue }
            guard let hello = ClientHello(body: message[4..<(4 + size)]) else { return .malformed }
            return .whole(hello)
        }
        return .malformed
    }

    init(serverName: String? = nil, protocols: [[UInt8]]? = nil) {
        self.serverName = serverName
        self.protocols = protocols
    }

    private init?(body: ArraySlice<UInt8>) {
        var fields = Fields(body)
        guard fields.take(2 + 32) != nil, fields.vector(1) != nil, fields.vector(2) != nil, fields.vector(1) != nil
        else { return nil }
        self.init()
        // RFC 5246 section 7.4.1.2: there may be no extensions at all.
        if fields.rest.isEmpty { return }
        guard let extensions = fields.vector(2), fields.rest.isEmpty else { return nil }
        var list = Fields(extensions)
        while !list.rest.isEmpty {
            guard let type = list.number(2), let value = list.vector(2) else { return nil }
            switch type {
            case 0:
                guard let name = Self.name(value) else { return nil }
                self.serverName = name
            case 16:
                guard let protocols = Self.list(value) else { return nil }
                self.protocols = protocols
            default:
                break
            }
        }
    }

    /// The first host name of a server_name extension.
    private static func name(_ value: ArraySlice<UInt8>) -> String? {
        var fields = Fields(value)
        guard let names = fields.vector(2), fields.rest.isEmpty else { return nil }
        var list = Fields(names)
        guard list.number(1) == 0, let name = list.vector(2) else { return nil }
        return String(decoding: name, as: UTF8.self)
    }

    /// The names of an ALPN extension.
    private static func list(_ value: ArraySlice<UInt8>) -> [[UInt8]]? {
        var fields = Fields(value)
        guard let names = fields.vector(2), fields.rest.isEmpty else { return nil }
        var list = Fields(names)
        var protocols: [[UInt8]] = []
        while !list.rest.isEmpty {
            guard let name = list.vector(1), !name.isEmpty else { return nil }
            protocols.append(Array(name))
        }
        return protocols.isEmpty ? nil : protocols
    }
}

/// Reads numbers and vectors as TLS writes them (RFC 8446 section 3).
struct Fields {
    private(set) var rest: ArraySlice<UInt8>

    init(_ octets: ArraySlice<UInt8>) {
        self.rest = octets
    }

    /// A number of so many octets, most significant first.
    mutating func number(_ count: Int) -> Int? {
        self.take(count).map { $0.reduce(0) { $0 << 8 | Int($1) } }
    }

    /// So many octets.
    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= self.rest.count else { return nil }
        defer { self.rest = self.rest.dropFirst(count) }
        return self.rest.prefix(count)
    }

    /// What stands behind its own length, which is a number of so many octets.
    mutating func vector(_ count: Int) -> ArraySlice<UInt8>? {
        var fields = self
        guard let length = fields.number(count), let octets = fields.take(length) else { return nil }
        self = fields
        return octets
    }
}
