import Foundation
import Testing

/// postern-exec between the real broker and the real binder.
@Suite("postern-exec and the broker", .works, .enabled(if: ExecWorld.hasBroker, Comment(rawValue: World.reason)))
struct ExecBrokerTests {
    private let network: TestNetwork
    private let broker: RunningProgram

    init() throws {
        self.network = try TestNetwork(
            policy: """
                smtp  tcp *:25         get=postern store=postern-binder bind=postern
                http  tcp 127.0.0.1:80 get=postern store=postern-binder
                other tcp 127.0.0.1:81 store=postern-binder bind=postern

                """)
        self.broker = try self.network.start(["env", ExecWorld.folder + "/postern-broker"], as: "postern-broker")
        _ = try self.broker.line { $0.contains("event=start") }
    }

    private func store(_ names: String...) throws {
        let binder = try self.network.start(["env", World.binder] + names + ["--store"], as: "postern-binder")
        #expect(try binder.exitStatus() == 0, "\(binder.text)")
    }

    private func start(_ arguments: String..., user: String = "postern") throws -> RunningProgram {
        try self.network.start(["env", ExecWorld.program] + arguments, as: user)
    }

    @Test("What a binder stored comes with a lease, which ends with the program")
    func stored() throws {
        try self.store("smtp", "http")
        let program = try self.start(
            "http", "smtp", "--", "sh", "-c", "echo $LISTEN_FDNAMES; test -S /proc/self/fd/$POSTERN_LEASE_FD")
        #expect(try program.exitStatus() == 0)
        #expect(program.text == "http:smtp")
        _ = try self.broker.line { $0.contains("event=end-of-lease") && $0.contains("names=smtp,http") }
    }

    @Test("An exclusive name is busy for others; with --wait they get it when its holder is gone")
    func exclusive() throws {
        try self.store("http")
        let holder = try self.start("--mode", "exclusive", "http", "--", "sh", "-c", "echo has it; exec sleep 60")
        _ = try holder.line { $0 == "has it" }
        let refused = try self.start("http", "--", "true")
        #expect(try refused.exitStatus() == 69)
        #expect(
            refused.text == """
                postern-exec: get "http" from /run/postern/broker.sock: busy: "http": another connection holds it; \
                --wait SECONDS waits until it is free
                """)
        let waiting = try self.start("--wait", "40", "http", "--", "echo", "has it too")
        holder.kill(SIGKILL)
        #expect(try waiting.exitStatus() == 0)
        #expect(waiting.text == "has it too")
    }

    @Test("Nobody stored it: auto goes on to the binder, --from broker does not")
    func missing() throws {
        let bound = try self.start("smtp", "--", "sh", "-c", "echo $LISTEN_FDNAMES ${POSTERN_LEASE_FD-none}")
        #expect(try bound.exitStatus() == 0)
        #expect(bound.text == "smtp none")
        let refused = try self.start("--from", "broker", "smtp", "--", "true")
        #expect(try refused.exitStatus() == 69)
        #expect(refused.text.contains("missing: \"smtp\": nothing is stored under it"), "\(refused.text)")
    }

    @Test("A name that the broker does not give is 77, though the binder would", arguments: ["postern", "postern-app"])
    func denied(user: String) throws {
        try self.store("other")
        let refused = try self.start("other", "--", "true", user: user)
        #expect(try refused.exitStatus() == 77)
        let uid = user == "postern" ? 62525 : 62526
        #expect(
            refused.text == """
                postern-exec: get "other" from /run/postern/broker.sock: denied: "other": uid \(uid) may not get it \
                (get= in the policy)
                """)
    }
}
