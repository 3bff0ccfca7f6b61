import NIOCore
import Routing
import Testing

@testable import Relay

@Suite("sockets of listeners, in relay.yaml") struct ConfigurationSocketsTests {
    private static func text(_ place: String, _ settings: String) -> String {
        RelayConfigurationTests.minimal.replacing("socket: smtp", with: "{\(place), \(settings)}")
    }

    private func listener(_ place: String, _ settings: String) throws -> RelayConfiguration.Listener {
        try #require(try decodeConfiguration(Self.text(place, settings)).configuration.listeners.first)
    }

    @Test("What is asked of a listener's sockets is read")
    func everything() throws {
        let listener = try self.listener(
            "address: \"[::1]:2526\"",
            "backlog: 10, receive-buffer: 64KiB, send-buffer: 1MB, v6only: on, keepalive: {idle: 1m, interval: 5s, probes: 3}"
        )
        #expect(listener.sockets.backlog == 10)
        #expect(listener.sockets.receiveBuffer == 65536)
        #expect(listener.sockets.sendBuffer == 1_000_000)
        #expect(listener.sockets.isVersion6Only == true)
        #expect(listener.sockets.keepalive?.idle == 60)
        #expect(listener.sockets.keepalive?.interval == 5)
        #expect(listener.sockets.keepalive?.probes == 3)
        #expect(
            listener.description
                == "[::1]:2526, backlog 10, receive-buffer 65536, send-buffer 1000000, v6only on, keepalive idle 60s interval 5s probes 3"
        )
        #expect(try self.listener("socket: smtp", "keepalive: on").sockets.keepalive == .init())
        #expect(try self.listener("socket: smtp", "keepalive: off").sockets == .init())
    }

    @Test("A listener may have a name, a delay and a PROXY header of its own")
    func session() throws {
        let text = Self.text("socket: smtp", "name: mx2.example.org, greeting-delay: 1500ms, proxy-protocol: on")
        let listener = try #require(
            try decodeConfiguration(text + "\nproxies: [127.0.0.1]\n").configuration.listeners.first)
        #expect(listener.name == "mx2.example.org")
        #expect(listener.greetingDelay == .milliseconds(1500))
        #expect(listener.expectsProxyHeader)
        #expect(
            listener.description
                == "socket \"smtp\", name mx2.example.org, greeting-delay 1s500ms, proxy-protocol on")
    }

    @Test("A port may have several sockets: as many as are asked for, or one for each event loop")
    func reusePort() throws {
        let several = try self.listener("address: \"127.0.0.1:2526\"", "reuseport: 3")
        #expect(several.sockets.reusePort == .sockets(3))
        #expect(several.sockets.reusePort.count(loops: 2) == 3)
        #expect(several.description == "127.0.0.1:2526, reuseport 3")
        let automatic = try self.listener("address: \"[::1]:2526\"", "reuseport: auto")
        #expect(automatic.sockets.reusePort.count(loops: 2) == 2)
        #expect(automatic.description == "[::1]:2526, reuseport auto")
        let none = try self.listener("address: \"[::1]:2526\"", "backlog: 5")
        #expect(none.sockets.reusePort.count(loops: 2) == 1)
    }

    @Test("A Unix socket has a mode")
    func unix() throws {
        let listener = try self.listener("address: \"unix:/run/x.sock\"", "mode: \"0666\"")
        #expect(listener.place == .unix(path: "/run/x.sock"))
        #expect(listener.sockets.mode == 0o666)
        #expect(listener.description == "unix:/run/x.sock, mode 0666")
        #expect(try self.listener("address: \"unix:/run/x.sock\"", "tls: none").sockets.mode == 0o660)
    }

    static let mistakes: [(String, String, String)] = [
        (
            "socket: smtp", "backlog: 5",
            "2:29: listeners[0].backlog: whoever binds the socket sets it: write it in sockets.conf, or in the socket unit"
        ),
        (
            "socket: smtp", "v6only: on",
            "2:28: listeners[0].v6only: whoever binds the socket sets it: write it in sockets.conf, or in the socket unit"
        ),
        (
            "socket: smtp", "reuseport: auto",
            "2:31: listeners[0].reuseport: whoever binds the socket sets it: write it in sockets.conf, or in the socket unit"
        ),
        ("address: \"127.0.0.1:2526\"", "reuseport: 0", "2:44: listeners[0].reuseport: 0 is not from 1 to 64"),
        (
            "address: \"127.0.0.1:2526\"", "reuseport: on",
            "2:44: listeners[0].reuseport: \"on\" is neither a whole number nor \"auto\""
        ),
        (
            "address: \"unix:/x\"", "reuseport: 2",
            "2:37: listeners[0].reuseport: a Unix socket has no port to share"
        ),
        ("address: \"127.0.0.1:2526\"", "v6only: on", "2:41: listeners[0].v6only: it is for IPv6 addresses"),
        ("address: \"[::]:2526\"", "mode: 660", "2:34: listeners[0].mode: it is for Unix sockets"),
        (
            "address: \"unix:/x\"", "keepalive: on",
            "2:37: listeners[0].keepalive: a Unix socket has no network to be lost in"
        ),
        (
            "address: \"unix:/x\"", "mode: 888",
            "2:32: listeners[0].mode: \"888\" is not a mode: write three octal digits, such as \"0660\""
        ),
        (
            "address: \"unix:x\"", "tls: none",
            "2:15: listeners[0].address: \"unix:x\" is not an absolute path: write unix:/run/app.sock"
        ),
        (
            "socket: smtp", "receive-buffer: 1",
            "2:36: listeners[0].receive-buffer: 1 is not from 1024 to 1073741824 octets, or 0 for no limit"
        ),
        ("socket: smtp", "keepalive: yes", "2:31: listeners[0].keepalive: \"yes\" is not one of on, off"),
        ("socket: smtp", "keepalive: {probes: 200}", "2:40: listeners[0].keepalive.probes: 200 is not from 1 to 127"),
        ("socket: smtp", "greeting-delay: 3m", "2:36: listeners[0].greeting-delay: 3m is not from 0s to 2m"),
        ("socket: smtp", "name: \"a b\"", "2:26: listeners[0].name: \"a b\" is not a host name: \" \" cannot be in it"),
    ]

    @Test("A mistake is told with its place", arguments: mistakes)
    func mistake(_ place: String, _ settings: String, _ message: String) {
        let errors = configurationErrors(Self.text(place, settings))
        #expect(errors == [message])
    }
}
