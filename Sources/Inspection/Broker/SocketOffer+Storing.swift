internal import BrokerCore
internal import BrokerIO

extension SocketOffer {
    /// The sockets of LISTEN_FDS that are called `name`; all of them where they have no names. The process owns them.
    package static func inherited(as name: String) throws(Refusal) -> [Int32] {
        var found: [(name: String, number: Int32)] = []
        do throws(ListenFDsError) {
            try ListenFDs.receive { descriptor, field in
                found.append((String(field, TextRange(0, field.count)), descriptor.release()))
            }
        } catch {
            throw Refusal(text: "\(error.text); whoever started this set it so")
        }
        guard !found.isEmpty else {
            throw Refusal(
                text: "no socket: start it with LISTEN_FDS (postern-binder NAME -- …, a .socket unit), or give --fd")
        }
        let named = found.filter { $0.name == name || $0.name == "unknown" }
        guard !named.isEmpty else {
            let names = found.map { "\"\($0.name)\"" }.joined(separator: ", ")
            throw Refusal(text: "LISTEN_FDNAMES calls no socket so, but \(names); give --fd if it is one of these")
        }
        return named.map(\.number)
    }

    /// Gives sockets to the broker, line by line, and closes them here; returns how many it took, and whether the
    /// service manager has confirmed all of them. Where a line fails, those before it stay stored.
    package static func store(
        _ offers: [SocketOffer], as name: String, isReplacing: Bool, with client: borrowing BrokerClient
    ) throws(BrokerFailure) -> (stored: Int, isConfirmed: Bool) {
        try self.checkPeer(of: client, name)
        var total = (stored: 0, isConfirmed: true)
        for offer in offers {
            do throws(BrokerFailure) {
                let answer = try offer.store(name, isReplacing: isReplacing, with: client)
                total = (total.stored + answer.stored, total.isConfirmed && answer.isConfirmed)
            } catch {
                var failure = error
                if total.stored > 0 { failure.cause += " (\(total.stored) stored before)" }
                throw failure
            }
        }
        return total
    }

    /// A false broker would have the port: who listens has to be root (systemd made the socket), postern-broker, or the
    /// caller itself.
    private static func checkPeer(of client: borrowing BrokerClient, _ name: String) throws(BrokerFailure) {
        let user = Array("postern-broker".utf8)
        let broker = (try? Accounts.number(of: .user(TextRange(0, user.count)), in: user.span)) ?? nil
        let caller = (try? Accounts.callerIdentity())?.uid
        guard let uid = client.peerUID, uid == 0 || uid == broker || uid == caller else {
            throw BrokerFailure(
                "store \"\(name)\"", "the broker's socket is neither root's nor postern-broker's",
                advice: "it may be a false broker: postern doctor says more", status: 77)
        }
    }

    private func store(
        _ name: String, isReplacing: Bool, with client: borrowing BrokerClient
    ) throws(BrokerFailure) -> (stored: Int, isConfirmed: Bool) {
        var list = DescriptorList()
        var isWhole = true
        for raw in self.descriptors where !list.append(Descriptor(owning: raw)) { isWhole = false }
        guard isWhole, list.count <= 8 else {
            throw BrokerFailure("store \"\(name)\"", "more than 8 sockets for one line", status: 64)
        }
        var mismatch: BrokerFailure?
        for spec in self.specs {
            do throws(BrokerFailure) {
                return try client.store(name, spec: spec, list, isReplacing: isReplacing)
            } catch {
                // A line that reads another way may still be there.
                guard error.code == 415 else { throw error }
                mismatch = mismatch ?? error
            }
        }
        throw mismatch ?? BrokerFailure("store \"\(name)\"", "no line that it could be", status: 69)
    }
}
