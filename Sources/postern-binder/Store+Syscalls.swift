internal import CPosternSys

/// The broker that --store gives listeners to: the one at the compiled-in path, which runs as the user postern-broker.
struct Store: ~Copyable {
    private let connection: BrokerConnection

    /// Connects and says HELLO. No descriptor is sent to anybody whose answer did not come from the broker's uid: the
    /// socket's own owner (SO_PEERCRED) may be root, where systemd made it, so that the kernel's word on who sent the
    /// answer (SCM_CREDENTIALS) is what counts.
    static func open() throws(Failure) -> Store {
        var user = TextBuffer<64>()
        user.append("postern-broker")
        guard let uid = try accountIdentity(user)?.uid, uid != 0 else {
            throw Failure(.unavailable, "--store: /etc/passwd has no user postern-broker, whom listeners are given to")
        }
        var path = TextBuffer<32>()
        path.append(BrokerConnection.defaultPath)
        let connection: BrokerConnection
        do throws(SystemError) {
            connection = try BrokerConnection(to: path.storage.span.extracting(first: path.count), milliseconds: 5000)
        } catch {
            throw Self.failure(.unavailable) {
                $0.append(error.operation)
                $0.append(": ")
                $0.append(errno: error.errno)
                $0.append("; is postern-broker running?")
            }
        }
        let owner = try? connection.peerUser()
        let isAsked = (try? connection.askForSender()) != nil
        guard owner == 0 || owner == uid, isAsked else {
            throw Self.failure(.permission) { $0.append("the socket is neither root's nor postern-broker's") }
        }
        let store = Store(connection: connection)
        var hello = TextBuffer<256>()
        hello.append("PB1 HELLO binder")
        let answer = try store.ask(hello, DescriptorList())
        guard answer.sender == uid else {
            throw Self.failure(.permission) { $0.append("who answers is not the user postern-broker") }
        }
        return store
    }

    /// Gives the broker the sockets of one line of the policy.
    borrowing func store(
        _ entry: PolicyEntry, _ policy: Span<UInt8>, _ listeners: consuming DescriptorList
    ) throws(Failure) {
        var request = TextBuffer<256>()
        request.append("PB1 STORE binder\nname=")
        request.append(policy, entry.name)
        request.append("\nspec=")
        entry.appendSpec(to: &request, in: policy)
        _ = try self.ask(request, listeners)
    }

    /// Sends a request; fails unless the answer is a 200.
    private borrowing func ask(
        _ request: TextBuffer<256>, _ listeners: consuming DescriptorList
    ) throws(Failure) -> ReceivedPacket {
        let answer: ReceivedPacket
        do throws(ExchangeError) {
            answer = try self.connection.exchange(
                request.storage.span.extracting(first: request.count), with: listeners, milliseconds: 10_000)
        } catch {
            throw Self.failure(.unavailable) { error.append(to: &$0) }
        }
        let text = answer.text.storage.span
        guard !text.begins(TextRange(0, answer.text.count), with: "PB1 200 ") else { return answer }
        // (The reason is in the line text=; it is shown as what it is, somebody else's words.)
        throw Self.failure(text.begins(TextRange(0, answer.text.count), with: "PB1 403 ") ? .permission : .unavailable)
        {
            $0.append("refused: ")
            $0.append(quoted: text, TextRange(0, min(256, answer.text.count)))
        }
    }

    private static func failure(_ status: ExitStatus, _ compose: (inout TextBuffer<1024>) -> Void) -> Failure {
        Failure(status) {
            $0.append("store in ")
            $0.append(BrokerConnection.defaultPath)
            $0.append(": ")
            compose(&$0)
        }
    }
}
