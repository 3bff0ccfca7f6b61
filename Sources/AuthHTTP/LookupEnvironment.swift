package import NIOCore
import NIOPosix
package import SMTPNIO

/// What a lookup client needs of the process around it. Confined to the client's event loop.
package struct LookupEnvironment {
    /// Finds the addresses of a backend's name, with the port: calls once, on the event loop; nil or none where there are
    /// none to be had.
    package var resolve: (_ name: String, _ port: Int, _ completion: @escaping ([SocketAddress]?) -> Void) -> Void
    /// Why a server that an answer names is not to be connected to, as a clause; nil where it may.
    package var objection: (SocketAddress) -> String?
    /// Where questions wait for the end of the loop's turn; nil where they leave at once.
    package var flushes: FlushQueue?

    /// Makes an environment.
    package init(
        resolve: @escaping (_ name: String, _ port: Int, _ completion: @escaping ([SocketAddress]?) -> Void) -> Void,
        objection: @escaping (SocketAddress) -> String? = { _ in nil }
    ) {
        self.resolve = resolve
        self.objection = objection
    }

    /// The system's own resolver, which knows /etc/hosts: it blocks, so it runs on a thread of NIO's pool.
    package static func system(on eventLoop: any EventLoop) -> LookupEnvironment {
        LookupEnvironment(resolve: { name, port, completion in
            let found = NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) {
                try SocketAddress.makeAddressResolvingHost(name, port: port)
            }
            found.assumeIsolated().whenComplete { result in
                switch result {
                case .success(let address): completion([address])
                case .failure: completion(nil)
                }
            }
        })
    }
}
