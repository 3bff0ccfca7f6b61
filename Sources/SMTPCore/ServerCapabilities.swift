/// What a server said of itself in its reply to EHLO: its extensions and their parameters.
///
/// A line that makes no sense is passed over: what it would have announced is not used, and nothing else comes of it.
public struct ServerCapabilities: Hashable, Sendable {
    /// The bounds of LIMITS (RFC 9422 section 4); nil where the server named none.
    public struct Limits: Hashable, Sendable {
        /// MAILMAX: transactions in a session.
        public var mailMaximum: UInt64?
        /// RCPTMAX: recipients in a transaction.
        public var recipientMaximum: UInt64?
        /// RCPTDOMAINMAX: domains among the recipients of a transaction.
        public var domainMaximum: UInt64?

        /// Makes limits; without arguments there are none.
        public init(mailMaximum: UInt64? = nil, recipientMaximum: UInt64? = nil, domainMaximum: UInt64? = nil) {
            self.mailMaximum = mailMaximum
            self.recipientMaximum = recipientMaximum
            self.domainMaximum = domainMaximum
        }
    }

    /// What was announced.
    public var extensions: ServerExtensions
    /// The most octets of a message (RFC 1870 section 4): 0 for no bound, nil where the server named no number.
    public var size: UInt64?
    /// The names of the SASL mechanisms, in upper case and in the server's order.
    public var mechanisms: [String]
    /// The bounds of LIMITS.
    public var limits: Limits
    /// The names of the attributes of XCLIENT, in upper case.
    public var xclient: [String] = []
    /// The names of the attributes of XFORWARD, likewise.
    public var xforward: [String] = []

    /// Makes the capabilities of a server; without arguments those of one that knows HELO alone.
    public init(
        extensions: ServerExtensions = [], size: UInt64? = nil, mechanisms: [String] = [], limits: Limits = Limits()
    ) {
        self.extensions = extensions
        self.size = size
        self.mechanisms = mechanisms
        self.limits = limits
    }
}

extension ServerCapabilities {
    /// The longest name of a mechanism (RFC 4422 section 3.1), and longer than that of an attribute.
    private static let longestName = 20
    /// More mechanisms or attributes than anybody has; those behind them are passed over.
    private static let mostNames = 32

    /// Reads the lines of an EHLO reply; the first is the server's name.
    ///
    /// Keywords are known in any case. Some old servers write `AUTH=PLAIN` for `AUTH PLAIN`, and so with others.
    public init(ehloReply reply: SMTPReply) {
        self.init()
        for line in reply.lines.dropFirst() {
            // `AUTH PLAIN`, `AUTH=PLAIN LOGIN`: the first `=` may stand where a space should.
            let end = line.utf8.firstIndex { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "=") } ?? line.endIndex
            guard let known = ServerExtensions(keyword: String(line[..<end])) else { continue }
            let parameters = line[end...].dropFirst().utf8.split(separator: UInt8(ascii: " "))
            self.extensions.formUnion(known)
            switch known {
            case .size: self.size = parameters.first.flatMap { number($0) } ?? self.size
            case .auth: Self.read(parameters, into: &self.mechanisms)
            case .limits: self.read(limits: parameters)
            case .xclient: Self.read(parameters, into: &self.xclient)
            case .xforward: Self.read(parameters, into: &self.xforward)
            default: break
            }
        }
    }

    /// Adds the names of mechanisms, or of attributes.
    private static func read(_ words: [Substring.UTF8View], into names: inout [String]) {
        for octets in words where names.count < self.mostNames {
            guard octets.count <= self.longestName, octets.allSatisfy(self.isNameOctet) else { continue }
            let name = String(decoding: octets.map(upperCased), as: UTF8.self)
            // The old and the new form of AUTH are often announced together.
            if !names.contains(name) { names.append(name) }
        }
    }

    private mutating func read(limits: [Substring.UTF8View]) {
        for limit in limits {
            guard let equals = limit.firstIndex(of: UInt8(ascii: "=")), let value = number(limit[equals...].dropFirst())
            else { continue }
            switch String(decoding: limit[..<equals].map(upperCased), as: UTF8.self) {
            case "MAILMAX": self.limits.mailMaximum = value
            case "RCPTMAX": self.limits.recipientMaximum = value
            case "RCPTDOMAINMAX": self.limits.domainMaximum = value
            default: break
            }
        }
    }

    private static func isNameOctet(_ octet: UInt8) -> Bool {
        isLetter(octet) || isDigit(octet) || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
    }
}

/// A decimal number of up to 20 digits; nil for anything else, and for what 64 bits do not hold.
private func number(_ digits: some Collection<UInt8>) -> UInt64? {
    guard (1...20).contains(digits.count), digits.allSatisfy(isDigit) else { return nil }
    return UInt64(String(decoding: digits, as: UTF8.self))
}
