import CPosternSys
import Foundation
import NIOCore
import NIOPosix
import PosternClient
import PosternNIO
import Testing

@Suite struct ServerBootstrapTests {
    /// A listener on loopback with that backlog, from a program in the binder's place.
    private func listener(backlog: Int) throws -> Listener {
        let path = FileManager.default.temporaryDirectory.appending(path: "binder-\(UUID().uuidString)").path
        let program = """
            #!/usr/bin/python3
            import array, socket
            peer = socket.socket(fileno=3)
            s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(\(backlog))
            text = "PB1 200 OK binder\\nfds=1\\nfd.0=smtp tcp 127.0.0.1:%d\\n" % s.getsockname()[1]
            peer.sendmsg([text.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
            """
        try program.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var listeners = try Self.obtain(path)
        guard let listener = try listeners.take("smtp") else { throw CancellationError() }
        return listener
    }

    /// A child that another test forks at this moment may have the file open for writing: then it is tried again.
    private static func obtain(_ path: String) throws -> Listeners {
        for _ in 0..<100 {
            do throws(ListenerError) {
                return try Listeners.obtain(["smtp"], binder: path)
            } catch {
                guard error.errno == ETXTBSY else { throw error }
            }
        }
        return try Listeners.obtain(["smtp"], binder: path)
    }

    @Test("A listener becomes a channel that accepts, with the backlog it was made with")
    func accepts() async throws {
        let listener = try self.listener(backlog: 77)
        let backlog = listener.backlog
        #expect(backlog == 77)
        let copy = dup(listener.descriptor)
        defer { close(copy) }
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .withBoundSocket(listener).get()
        // TCP_INFO of a listening socket has its backlog.
        var info = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        #expect(unsafe getsockopt(copy, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) == 0)
        #expect(info.tcpi_sacked == 77)
        let address = try #require(channel.localAddress)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: address).get()
        try await client.close()
        try await channel.close()
    }
}
