import NIOCore

/// Who connected to a Unix socket: SO_PEERCRED, laid out as the kernel's `struct ucred` (unix(7)).
struct PeerCredentials: BitwiseCopyable {
    var pid: Int32
    var uid: UInt32
    var gid: UInt32

    /// The credentials of a channel's peer, as they were when it connected.
    static func of(_ channel: any Channel) -> EventLoopFuture<PeerCredentials> {
        guard let socket = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        return socket.unsafeGetSocketOption(level: .socket, name: .init(rawValue: 17))
    }
}
