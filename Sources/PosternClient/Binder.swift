internal import BrokerCore
internal import BrokerIO

/// A postern-binder that is started for some names, and its answer.
struct Binder {
    /// The binder's path, which the program's own user chooses: who could as well start another program.
    let path: String
    /// How long it may take.
    let timeout: Duration

    /// Asks the binder for every name; all or none.
    func obtain(_ names: [String]) throws(ListenerError) -> Listeners {
        let outcome = try runBinder(self.path, arguments: names + ["--fd", "3"], timeout: self.timeout)
        let asked = "get \(quoted(names)) from \(self.path)"
        if let status = outcome.exitStatus, status != 0 {
            let words = outcome.complaint.isEmpty ? "it said nothing" : outcome.complaint
            throw ListenerError(.refused, exitStatus: status, "\(asked): exit status \(status): \(words)")
        }
        let packet: ReceivedPacket
        do throws(ReceiveError) {
            packet = try receivePacket(from: outcome.socket)
        } catch {
            let cause = error.code == .system ? "no answer (errno \(error.errno))" : "no PB1 packet (\(error.code))"
            let words = outcome.complaint.isEmpty ? "" : "; it said: \(outcome.complaint)"
            throw ListenerError(
                .badReply, errno: error.errno, exitStatus: outcome.exitStatus, "\(asked): \(cause)\(words)")
        }
        do throws(ListenerError) {
            let answer = try Answer(packet, tag: "binder", asked)
            // (A binder that refuses says so by its exit status.)
            guard answer.grant.code == 200 else { throw ListenerError(.badReply, "\(asked): a refusal in PB1") }
            return try answer.listeners(asked: names, from: .binder, asked)
        } catch {
            var error = error
            error.exitStatus = outcome.exitStatus
            throw error
        }
    }
}
