import Foundation
import Testing

/// Where recipients go, and which go nowhere.
@Suite("Routes of the relay", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayRouteEdgeCases {
    static let settings = """
        routes:
          - recipients: "abuse@"
            reject: 550 5.1.1 No such user
          - recipients: dead.example
            reject: null-mx
          - recipients: [flxw.de, bücher.example]
            backends: ["127.0.0.1:2525"]
          - recipients: strict.example
            backends: ["127.0.0.1:2525"]
            message: {nul: reject}
        """

    @Test("71: a route that refuses gives its reply, and the transaction goes on without that recipient")
    func rejection() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest(in: network, Self.settings)
        let dialogue = try SMTPDialogue.greeted(network, port: 2526)
        _ = try dialogue.command("MAIL FROM:<a@b.example>")
        #expect(try dialogue.command("RCPT TO:<x@dead.example>").is(556, "5.1.10"))
        #expect(try dialogue.command("RCPT TO:<abuse@flxw.de>").is(550, "5.1.1 No such user"))
        #expect(try dialogue.command("RCPT TO:<Abuse@FLXW.de.>").code == 250)
        #expect(try dialogue.command("RCPT TO:<x@dead.example>").is(556, "5.1.10"))
        // The pattern is written with a U-label.
        #expect(try dialogue.command("RCPT TO:<x@XN--BCHER-KVA.example>").code == 250)
        // The same backend, but the message would have to be refused for one recipient and not for the other.
        #expect(try dialogue.command("RCPT TO:<x@strict.example>").is(452, "4.5.3"))
        _ = try dialogue.command("DATA")
        #expect(try dialogue.content("Subject: x\r\n\r\nx").code == 250)
        try dialogue.quit()
        let record = backend.wait { $0.messages.count == 1 }
        #expect(
            record.messages.map(\.forwardPaths) == [["RCPT TO:<Abuse@FLXW.de.>", "RCPT TO:<x@XN--BCHER-KVA.example>"]])
        withExtendedLifetime(relay) {}
    }
}
