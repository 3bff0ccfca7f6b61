/// What a server session allows and says of itself.
public struct ServerSessionConfiguration: Sendable {
    /// The name in the greeting and in the replies to HELO and EHLO.
    public var serverName: String
    /// The text behind the name in the greeting, a line each (RFC 5321 section 4.2 allows several); at least one.
    public var greeting = ["ESMTP ready"]
    /// What EHLO announces, and what a client may therefore use. STARTTLS and AUTH are announced where there is TLS to
    /// begin, or a mechanism.
    public var extensions: ServerExtensions = [
        .pipelining, .size, .eightBitMIME, .enhancedStatusCodes, .chunking,
    ]
    /// The SASL mechanisms, in upper case; none: AUTH is not served (RFC 4954).
    public var authMechanisms: [String] = []
    /// Whether MAIL needs an AUTH before it.
    public var requiresAuthentication = false
    /// Whether STARTTLS is served (RFC 3207).
    public var offersTLS = false
    /// Whether a client in clear is served nothing but NOOP, EHLO, STARTTLS and QUIT (RFC 3207 section 4).
    public var requiresTLS = false
    /// The most octets in a message, announced as SIZE; 0 for no bound (RFC 1870 section 4).
    public var messageSize: UInt64 = 50 << 20
    /// The most recipients in a transaction; RFC 5321 section 4.5.3.1.8 asks for 100 at least.
    public var recipients = 1000
    /// Whether the recipients of one transaction have to be of one domain, announced as LIMITS RCPTDOMAINMAX=1.
    public var hasOneDomain = false
    /// The most transactions on one connection; a client that meets it has to connect anew.
    public var transactions = Int.max
    /// After so many commands that could not be read the channel closes.
    public var errors = 10
    /// Whether MAIL needs a HELO or EHLO before it (RFC 5321 section 4.1.4).
    public var requiresHello = true
    /// Whether the channel closes where a client sends on behind a command whose reply it has to wait for: EHLO, DATA,
    /// STARTTLS, AUTH (RFC 2920 section 3.1). Who does has not read what it was told, or is being used by another.
    public var forbidsEarlyInput = true

    /// Makes a configuration with the defaults.
    public init(serverName: String) {
        self.serverName = serverName
    }
}

extension ServerSessionConfiguration {
    /// The mechanisms that a client may use now: those that show a password are for TLS alone where TLS is to be had
    /// (RFC 4954 section 4), and all of them where nothing is served without it.
    public func mechanisms(isSecure: Bool) -> [String] {
        guard self.offersTLS, !isSecure else { return self.authMechanisms }
        guard !self.requiresTLS else { return [] }
        return self.authMechanisms.filter { SASLMechanism(rawValue: $0)?.isForClearChannels ?? false }
    }

    /// What EHLO announces, in clear or under TLS (where STARTTLS is not offered again: RFC 3207 section 4.2).
    public func announcement(isSecure: Bool) -> EHLOAnnouncement {
        let mechanisms = self.mechanisms(isSecure: isSecure)
        var extensions = self.extensions
        if self.offersTLS, !isSecure { extensions.insert(.startTLS) }
        if !mechanisms.isEmpty { extensions.insert(.auth) }
        return EHLOAnnouncement(
            serverName: self.serverName, extensions: extensions, size: self.messageSize,
            mechanisms: mechanisms,
            limits: .init(recipientMaximum: UInt64(self.recipients), domainMaximum: self.hasOneDomain ? 1 : nil))
    }

    /// What EHLO announces in clear.
    public var announcement: EHLOAnnouncement { self.announcement(isSecure: false) }

    /// The reply to EHLO in clear: made once, as it is the same for every client.
    public var extendedReply: SMTPReply { self.announcement.reply }
}
