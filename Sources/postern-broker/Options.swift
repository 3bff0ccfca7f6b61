/// The command line: `[--socket PATH] [--policy PATH]`.
struct Options {
    /// What to do.
    enum Action {
        case print(StaticString)
        case showFilter
        case serve
    }

    private static var help: StaticString {
        """
        usage: postern-broker [--socket PATH] [--policy PATH]

        Holds listeners, and gives them to the programs that the policy names (PB1). Needs no privilege and takes
        none: its listeners come from systemd (LISTEN_FDS) and from postern-binder --store.

          --socket PATH    where to listen, unless systemd hands over a socket named postern.control;
                           /run/postern/broker.sock by default
          --policy PATH    the policy; /etc/postern/sockets.conf by default
          --show-filter    print the system calls that it keeps for itself once it has started
          --help, --version

        SIGHUP reads the policy again; SIGTERM ends it.
        Exit status: 0; 64 usage, 69 unavailable, 71 system error, 77 not permitted, 78 policy.

        """
    }

    private(set) var action = Action.serve
    private(set) var socketPath = TextBuffer<128>()
    private(set) var policyPath = TextBuffer<128>()

    /// Reads the command line, and changes nothing.
    init(_ arguments: Arguments) throws(Failure) {
        self.socketPath.append(BrokerConnection.defaultPath)
        self.policyPath = PolicyFile.standard
        var index = 1
        while index < arguments.count {
            let text = arguments.text(index)
            let word = TextRange(0, text.count)
            let bytes = text.storage.span
            if bytes.holds("--help", at: word) {
                self.action = .print(Self.help)
                return
            } else if bytes.holds("--version", at: word) {
                self.action = .print("postern-broker 0.1.0\n")
                return
            } else if bytes.holds("--show-filter", at: word) {
                self.action = .showFilter
                return
            } else if bytes.holds("--socket", at: word) {
                index += 1
                self.socketPath = try Self.path(arguments, index, limit: 107)
            } else if bytes.holds("--policy", at: word) {
                index += 1
                self.policyPath = try Self.path(arguments, index, limit: 127)
            } else {
                throw Failure(.usage) {
                    $0.append(quoted: bytes, word)
                    $0.append(": not an option (see --help)")
                }
            }
            index += 1
        }
    }

    private static func path(
        _ arguments: Arguments, _ index: Int, limit: Int
    ) throws(Failure) -> TextBuffer<128> {
        let path = arguments.path(index)
        guard path.count > 1, path.count <= limit, path.storage[0] == UInt8(ascii: "/") else {
            throw Failure(.usage, "--socket and --policy take an absolute path, of 107 and 127 bytes at most")
        }
        return path
    }
}
