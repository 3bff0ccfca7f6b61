import Foundation
import Testing

@testable import PosternClient

// (One at a time with those: they count what this process has open.)
extension BrokerTests {
    @Suite struct LeaseTests {
        @Test("More names come on the same connection, and some go back early; what is not held changes nothing")
        func addAndRelease() throws {
            let broker = try ScriptedBroker(
                """
                client = Client().hello()
                client.grant(("smtp", tcp()))
                tell(repr(client.grant(("http", tcp()))))
                tell(repr(client.reply("PB1 404 MISSING TAG\\ntext=not held")))
                tell(repr(client.reply("PB1 200 OK TAG\\n")))
                client.read()
                """)
            var listeners = try Listeners.obtain(["smtp"], broker: broker.path)
            let taken = listeners.takeLease()
            var lease = try required(taken)
            var more = try lease.add(["http"])
            #expect(broker.line() == "'PB1 GET get\\nname=http\\n'")
            let (both, found) = (lease.names, try describe(&more))
            #expect(both == ["smtp", "http"])
            #expect(found == ["http tcp broker 127.0.9.10"])
            var code: ListenerError.Code?
            do throws(ListenerError) { try lease.release(["dns"]) } catch { code = error.code }
            #expect(code == .missing)
            #expect(broker.line() == "'PB1 RELEASE release\\nname=dns\\n'")
            try lease.release(["smtp"])
            #expect(broker.line() == "'PB1 RELEASE release\\nname=smtp\\n'")
            let (names, cookies) = (lease.names, lease.cookies.count)
            #expect(names == ["http"])
            #expect(cookies == 1)
        }

        @Test(
            "After the broker's end: the lease is got anew, the same sockets are closed, and only another is returned")
        func renewal() throws {
            let broker = try ScriptedBroker(
                """
                a, b, c = tcp(), tcp(), tcp()
                client = Client().hello("0000000000000001")
                client.grant(("smtp", a), ("http", b))
                listener.close(); os.unlink(PATH); client.socket.close()
                input()
                listener = listen()
                tell("again")
                client = Client().hello("0000000000000002")
                client.reply("PB1 409 BUSY TAG\\ntext=taken")
                client = Client().hello("0000000000000002")
                tell(repr(client.grant(("smtp", a), ("http", c))))
                tell(repr(client.read()))
                """)
            var listeners = try Listeners.obtain(["smtp", "http"], broker: broker.path)
            let taken = listeners.takeLease()
            var lease = try required(taken)
            let before = lease.cookies
            waitForEnd(of: lease)
            let isHeld = lease.isHeld
            #expect(!isHeld)
            var errors: [ListenerError.Code] = []
            do throws(ListenerError) { _ = try lease.renew() } catch { errors.append(error.code) }
            try broker.proceed()
            #expect(broker.line() == "again")
            do throws(ListenerError) { _ = try lease.renew() } catch { errors.append(error.code) }
            #expect(errors == [.noBroker, .busy])
            let (sameGeneration, stillLost) = (lease.generation, !lease.isHeld)
            #expect(sameGeneration == "0000000000000001" && stillLost)

            var others = try lease.renew()
            #expect(broker.line() == "'PB1 GET get\\nname=smtp\\nname=http\\n'")
            let (names, isHeldAgain, generation) = (others.names, lease.isHeld, lease.generation)
            #expect(names == ["http"])
            #expect(isHeldAgain)
            #expect(generation == "0000000000000002")
            let after = lease.cookies
            #expect(after.count == 2 && after[0] == before[0] && !before.contains(after[1]))
            let other = try others.takeFirst()?.cookie
            #expect(other == after[1])
            // The program's own listeners have not been touched: two of the first grant. The other was closed above.
            #expect(try leakedGrants() == 2)
            _ = consume lease
            #expect(broker.line() == "''")
        }

        @Test("A connection that is well is asked again: a socket that was replaced is returned")
        func replaced() throws {
            let broker = try ScriptedBroker(
                """
                client = Client().hello()
                client.grant(("smtp", tcp()))
                client.grant(("smtp", tcp()))
                client.read()
                """)
            var listeners = try Listeners.obtain(["smtp"], broker: broker.path)
            let taken = listeners.takeLease()
            var lease = try required(taken)
            let others = try lease.renew()
            let count = others.count
            #expect(count == 1)
        }

        @Test("Which sockets are others is decided by name and number; one without a number is another every time")
        func heldSockets() {
            typealias Socket = HeldSockets.Socket
            var held = HeldSockets()
            let first = [Socket(name: "a", cookie: 1), Socket(name: "a", cookie: 2), Socket(name: "b", cookie: 3)]
            #expect(held.grant(first, for: ["a", "b"]) == [true, true, true])
            #expect(held.grant(first.reversed(), for: ["a", "b"]) == [false, false, false])
            // A name that was not asked for again stays as it was.
            #expect(held.grant([Socket(name: "a", cookie: 4)], for: ["a"]) == [true])
            #expect(held.sockets == [Socket(name: "b", cookie: 3), Socket(name: "a", cookie: 4)])
            // The same socket under another name is another listener.
            #expect(held.grant([Socket(name: "b", cookie: 4)], for: ["b"]) == [true])
            let unknown = [Socket(name: "b", cookie: 0)]
            #expect(held.grant(unknown, for: ["b"]) == [true])
            #expect(held.grant(unknown, for: ["b"]) == [true])
            held.release(["b"])
            #expect(held.sockets == [Socket(name: "a", cookie: 4)])
        }
    }
}
