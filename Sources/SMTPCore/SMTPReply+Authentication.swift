// What AUTH is answered (RFC 4954 section 6).

extension SMTPReply {
    /// `235 2.0.0 OK`, as nginx says it: the client is who it says.
    public static let authenticated = SMTPReply(235, .init(2, 0, 0), "OK")
    /// `454 4.7.0`: who could tell is not to be reached.
    public static let authenticationUnavailable = SMTPReply(
        454, .init(4, 7, 0), "Temporary authentication failure, try again later")
    /// `501 5.5.2`: a response that is base64, and nothing that the mechanism knows.
    public static let invalidResponse = SMTPReply(501, .init(5, 5, 2), "Invalid authentication response")
    /// `501 5.7.0`: an initial response, though the mechanism has the server speak first.
    public static let unexpectedInitialResponse = SMTPReply(
        501, .init(5, 7, 0), "This mechanism has no initial response")
    /// `530 5.7.1`: no mail before AUTH. The text and codes are nginx's.
    public static let authenticationRequired = SMTPReply(530, .init(5, 7, 1), "Authentication required")
    /// `535 5.7.8`: the client is not who it says, or nobody says so.
    public static let invalidCredentials = SMTPReply(535, .init(5, 7, 8), "Authentication credentials invalid")
    /// `538 5.7.11`: a mechanism that is for TLS alone.
    public static let encryptionRequired = SMTPReply(
        538, .init(5, 7, 11), "Encryption required for requested authentication mechanism")
}
