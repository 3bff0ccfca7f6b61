import NIOCore
import Testing

@testable import Relay

@Suite struct OwnAddressesTests {
    private func address(_ text: String, _ port: Int = 25) throws -> SocketAddress {
        text.hasPrefix("/")
            ? try SocketAddress(unixDomainSocketPath: text) : try SocketAddress(ipAddress: text, port: port)
    }

    @Test("The address and port of a listener are ours, whatever their spelling")
    func exact() throws {
        let own = OwnAddresses([
            try self.address("192.0.2.1"), try self.address("2001:db8::1"), try self.address("/run/x"),
        ])
        #expect(own.contains(try self.address("192.0.2.1")))
        #expect(own.contains(try self.address("::ffff:192.0.2.1")))
        #expect(own.contains(try self.address("2001:db8::1")))
        #expect(own.contains(try self.address("/run/x")))
        for (text, port) in [
            ("192.0.2.1", 26), ("192.0.2.2", 25), ("127.0.0.1", 25), ("2001:db8::2", 25), ("/run/y", 0),
        ] {
            #expect(!own.contains(try self.address(text, port)), "\(text)")
        }
        #expect(!OwnAddresses().contains(try self.address("127.0.0.1")))
    }

    @Test("A listener on every address makes every address of this host ours", arguments: ["0.0.0.0", "::"])
    func wildcard(_ listener: String) throws {
        let own = OwnAddresses([try self.address(listener, 2525)])
        for text in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"] {
            #expect(own.contains(try self.address(text, 2525)), "\(text)")
            #expect(!own.contains(try self.address(text, 2526)), "\(text)")
        }
        for device in try System.enumerateDevices() {
            guard let ip = device.address?.ipAddress, !ip.contains("%") else { continue }
            #expect(own.contains(try self.address(ip, 2525)), "\(ip)")
        }
        #expect(!own.contains(try self.address("198.51.100.77", 2525)))
    }
}
