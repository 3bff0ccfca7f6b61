import BrokerCore
import BrokerIO
import Inspection
import Testing

@Suite struct SocketOfferTests {
    /// A listener on a port that the kernel chose, and that port.
    private func listener(_ host: Host, port: UInt16 = 0, isV6Only: Bool = false) throws -> (Int32, UInt16) {
        var spec = SocketSpec(transport: .tcp, host: host, port: port)
        spec.isV6Only = isV6Only
        spec.siblings = 2
        let descriptor = try Descriptor.socket(for: spec)
        try descriptor.bind(to: spec)
        try descriptor.listen(as: spec)
        let bound = try descriptor.boundAddress()
        return (descriptor.release(), bound.port)
    }

    private func close(_ descriptors: Int32...) {
        for descriptor in descriptors { _ = Descriptor(owning: descriptor) }
    }

    @Test("Without a policy the socket says how its line may read")
    func blind() throws {
        for (host, isV6Only, words) in [
            (Host(family: .ipv4, low: 0x7F00_0001), false, ["tcp 127.0.0.1:PORT"]),
            (Host(family: .ipv4), false, ["tcp *:PORT", "tcp 0.0.0.0:PORT"]),
            (Host(family: .ipv6), false, ["tcp *:PORT", "tcp [::]:PORT"]),
            (Host(family: .ipv6), true, ["tcp [::]:PORT v6only"]),
            (Host(family: .ipv6, low: 1), false, ["tcp [::1]:PORT", "tcp [::1]:PORT v6only"]),
        ] {
            let (descriptor, port) = try self.listener(host, isV6Only: isV6Only)
            let offers = try SocketOffer.sort([descriptor], for: "smtp", policy: nil)
            #expect(offers.map(\.specs) == [words.map { $0.replacing("PORT", with: "\(port)") }])
            #expect(offers.map(\.descriptors) == [[descriptor]])
            self.close(descriptor)
        }
    }

    @Test("With a policy a socket is for the line that describes it; those of one line go together")
    func byPolicy() throws {
        let (first, port) = try self.listener(Host(family: .ipv4, low: 0x7F00_0001))
        let (second, _) = try self.listener(Host(family: .ipv4, low: 0x7F00_0001), port: port)
        let (other, otherPort) = try self.listener(Host(family: .ipv6))
        defer { self.close(first, second, other) }
        let policy = """
            http tcp 127.0.0.1:\(port)
            smtp tcp [::]:\(otherPort)
            smtp tcp 127.0.0.1:\(port) reuseport=2

            """
        let offers = try SocketOffer.sort([first, other, second], for: "smtp", policy: Array(policy.utf8))
        #expect(offers.map(\.specs) == [["tcp 127.0.0.1:\(port)"], ["tcp [::]:\(otherPort)"]])
        #expect(offers.map(\.descriptors) == [[first, second], [other]])
    }

    @Test("What is no listener is refused, and stays open: it is the process's")
    func refused() throws {
        let socket = try Descriptor.socket(for: SocketSpec(transport: .tcp, host: Host(family: .ipv4), port: 1))
        let raw = socket.rawValue
        for _ in 0..<2 {
            #expect(throws: SocketOffer.Refusal(text: "descriptor \(raw): not listening")) {
                try SocketOffer.sort([raw], for: "smtp", policy: nil)
            }
        }
        #expect(throws: SocketOffer.Refusal(text: "descriptor 1000000: not a socket")) {
            try SocketOffer.sort([1_000_000], for: "smtp", policy: nil)
        }
    }
}
