internal import CPosternSys

extension BrokerClient {
    /// Who listens on the broker's socket: the effective uid of who called listen(2) (SO_PEERCRED); nil if the kernel
    /// does not say.
    var peerUID: UInt32? {
        // struct ucred, which only _GNU_SOURCE declares: pid, uid, gid.
        var credentials: InlineArray<3, UInt32> = [0, 0, 0]
        var length = socklen_t(12)
        let result = unsafe withUnsafeMutableBytes(of: &credentials) { bytes in
            unsafe getsockopt(self.rawValue, SOL_SOCKET, SO_PEERCRED, bytes.baseAddress, &length)
        }
        return result == 0 && length == 12 ? credentials[1] : nil
    }
}
