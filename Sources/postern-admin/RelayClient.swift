import AdminProtocol
import Foundation
import NIOCore
import NIOPosix

/// Asks the relay questions at its admin socket, one connection each.
struct RelayClient: Sendable {
    /// The longest answer, in octets.
    private static let longestAnswer = 64 << 10
    /// How long the relay may take.
    private static let patience = Duration.seconds(5)

    let path: String
    let group: MultiThreadedEventLoopGroup

    /// The relay's answer.
    ///
    /// - Throws: ``RelayClientError`` where there is none: the relay does not run, does not let this user ask, or took more
    ///   than 5 seconds.
    func ask(_ request: AdminRequest) async throws -> AdminAnswer {
        try await withThrowingTaskGroup(of: AdminAnswer.self) { group in
            group.addTask { try await self.exchange(request) }
            group.addTask {
                try await Task.sleep(for: Self.patience)
                throw RelayClientError("no answer within 5 seconds")
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw RelayClientError("cancelled") }
            return answer
        }
    }

    private func exchange(_ request: AdminRequest) async throws -> AdminAnswer {
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            channel = try await ClientBootstrap(group: self.group).connect(unixDomainSocketPath: self.path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
        } catch {
            throw RelayClientError("connect \(self.path): \(error)")
        }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: JSONEncoder().encode(request) + [UInt8(ascii: "\n")]))
            var line = ByteBuffer()
            for try await var octets in inbound {
                line.writeBuffer(&octets)
                if let end = line.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                    let octets = line.getBytes(at: line.readerIndex, length: end - line.readerIndex) ?? []
                    return try JSONDecoder().decode(AdminAnswer.self, from: Data(octets))
                }
                guard line.readableBytes <= Self.longestAnswer else {
                    throw RelayClientError("an answer without an end")
                }
            }
            throw RelayClientError(
                "\(self.path) closed without an answer; is this user among admin: allow: in relay.yaml?")
        }
    }
}

/// Why the relay gave no answer.
struct RelayClientError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
