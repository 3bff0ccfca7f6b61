extension ClientSession {
    /// Ends the open transaction and takes leave, in one write where the server pipelines (RFC 2920 section 3.1: QUIT last).
    /// Elsewhere QUIT alone ends both (RFC 5321 section 4.1.1.10).
    public mutating func resetAndQuit() -> Action {
        let isPipelined = self.extensions.contains(.pipelining)
        self.state = .quitting
        return .send(isPipelined ? [.rset, .quit] : [.quit])
    }
}
