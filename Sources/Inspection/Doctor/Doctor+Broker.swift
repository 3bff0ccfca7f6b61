internal import BrokerCore
internal import BrokerIO

extension Doctor {
    /// Looks at the broker's socket, and asks it.
    static func broker(_ path: String) -> BrokerFacts {
        let name = Array("postern-broker".utf8)
        let uid = (try? Accounts.number(of: .user(TextRange(0, name.count)), in: name.span)) ?? nil
        let folder = path.split(separator: "/").dropLast().reduce(into: "") { $0 += "/\($1)" }
        let socket = Files.status(path)
        var answer: Result<BrokerAnswer, BrokerFailure>?
        if case .success(let status) = socket, status.isSocket { answer = self.ask(path) }
        return BrokerFacts(
            path: path, socket: socket, folder: Files.status(folder.isEmpty ? "/" : folder), brokerUID: uid,
            answer: answer)
    }

    private static func ask(_ path: String) -> Result<BrokerAnswer, BrokerFailure> {
        do throws(BrokerFailure) {
            let client = try BrokerClient(connectingTo: path)
            var sockets: Result<[BrokerSocket], BrokerFailure>
            do throws(BrokerFailure) {
                sockets = .success(try client.list().sockets)
            } catch {
                sockets = .failure(error)
            }
            return .success(
                BrokerAnswer(
                    uid: client.peerUID, generation: client.generation, features: client.features, sockets: sockets))
        } catch {
            return .failure(error)
        }
    }
}
