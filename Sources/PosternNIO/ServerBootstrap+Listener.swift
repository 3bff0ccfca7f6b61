#if Relay
public import NIOCore
public import NIOPosix
public import PosternClient

extension ServerBootstrap {
    /// Accepts on a listener that is bound already, as a server channel; the channel owns its descriptor from now on,
    /// and closes it, on failure as well.
    ///
    /// SwiftNIO calls listen(2) once more, with a backlog of 128 for every holder of the listener (and before it looks at
    /// `ChannelOptions.backlog`): this sets the listener's own again, so that the policy's `backlog=` holds. Options that
    /// only count before bind(2), such as SO_REUSEADDR, have no effect here.
    ///
    /// - Returns: the channel, or a failed future: for a UDP listener, with the error that SwiftNIO has for it.
    public func withBoundSocket(_ listener: consuming Listener) -> EventLoopFuture<any Channel> {
        let backlog = listener.backlog
        // A descriptor of its own: whatever becomes of the channel meanwhile, it is this listener's.
        let copy = listener.duplicateDescriptor()
        return self.serverChannelOption(.backlog, value: backlog)
            .withBoundSocket(listener.releaseDescriptor())
            .always { _ in Listener.setBacklog(backlog, ofOwned: copy) }
    }
}
#endif
