/// What a server of ours says of itself in its reply to EHLO (RFC 5321 section 4.1.1.1).
public struct EHLOAnnouncement: Hashable, Sendable {
    /// The server's name.
    public var serverName: String
    /// What is announced.
    public var extensions: ServerExtensions
    /// The most octets of a message, for SIZE (RFC 1870 section 4); 0 for no bound.
    public var size: UInt64
    /// The SASL mechanisms, for AUTH; without any it is not announced.
    public var mechanisms: [String]
    /// The bounds for LIMITS (RFC 9422); without any it is not announced.
    public var limits: ServerCapabilities.Limits

    /// Makes an announcement.
    public init(
        serverName: String, extensions: ServerExtensions, size: UInt64 = 0, mechanisms: [String] = [],
        limits: ServerCapabilities.Limits = ServerCapabilities.Limits()
    ) {
        self.serverName = serverName
        self.extensions = extensions
        self.size = size
        self.mechanisms = mechanisms
        self.limits = limits
    }

    /// The reply: the name, then a line for each extension.
    public var reply: SMTPReply {
        var lines = [self.serverName]
        for (keyword, known) in ServerExtensions.keywords where self.extensions.contains(known) {
            switch known {
            case .size: lines.append(self.size == 0 ? keyword : "\(keyword) \(self.size)")
            case .auth: self.append([keyword] + self.mechanisms, to: &lines)
            case .limits: self.append([keyword] + self.limits.parameters, to: &lines)
            default: lines.append(keyword)
            }
        }
        return SMTPReply(250, lines: lines)
    }

    /// A keyword that means nothing without parameters is left out where it has none.
    private func append(_ words: [String], to lines: inout [String]) {
        if words.count > 1 { lines.append(words.joined(separator: " ")) }
    }
}

extension ServerCapabilities.Limits {
    /// `RCPTMAX=100` and the like.
    fileprivate var parameters: [String] {
        [("MAILMAX", self.mailMaximum), ("RCPTMAX", self.recipientMaximum), ("RCPTDOMAINMAX", self.domainMaximum)]
            .compactMap { name, value in value.map { "\(name)=\($0)" } }
    }
}
