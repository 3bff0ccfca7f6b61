/// The command line: `NAME… [--user USER] (--fd N | --store | -- COMMAND [ARG…])`. Arguments are kept as their indices.
struct Options {
    /// What to do in the end.
    enum Action {
        case print(StaticString)
        case send(Int32)
        case store
        case execute(Int)
    }

    private static var help: StaticString {
        """
        usage: postern-binder NAME... [--user USER] (--fd N | --store | -- COMMAND [ARG]...)

        Binds the sockets that /etc/postern/sockets.conf has under each NAME, drops every privilege, and hands
        them over: all of them, or none.

          --fd N         send them on descriptor N, a connected Unix SOCK_SEQPACKET socket
          --store        give them to the running postern-broker, at /run/postern/broker.sock
          -- COMMAND     become COMMAND, which finds them from descriptor 3 up (LISTEN_FDS, LISTEN_FDNAMES)
          --user USER    become USER, whom the policy is asked about: for root only, who has to give it
          --help, --version

        Exit status: 0, or COMMAND's; 64 usage, 69 unavailable, 71 system error, 77 not permitted, 78 policy.

        """
    }

    private(set) var action = Action.print("postern-binder 0.1.0\n")
    private(set) var names = InlineArray<32, Int>(repeating: 0)
    private(set) var nameCount = 0
    private(set) var user: Int?
    private(set) var peer: Int32?
    private(set) var isStoring = false

    /// Reads the command line, and changes nothing.
    init(_ arguments: Arguments) throws(Failure) {
        var command: Int?
        var index = 1
        while index < arguments.count, command == nil {
            let text = arguments.text(index)
            let word = TextRange(0, text.count)
            let bytes = text.storage.span
            if bytes.holds("--help", at: word) {
                self.action = .print(Self.help)
                return
            } else if bytes.holds("--version", at: word) {
                return
            } else if bytes.holds("--", at: word) {
                command = index + 1
            } else if bytes.holds("--fd", at: word), self.peer == nil {
                index += 1
                let value = arguments.text(index)
                let number = value.storage.span.decimal(at: TextRange(0, value.count), upTo: UInt64(Int32.max - 1))
                guard let number, number > 2 else {
                    throw Failure(.usage, "--fd takes a number from 3 up (see --help)")
                }
                self.peer = Int32(number)
            } else if bytes.holds("--user", at: word), self.user == nil {
                index += 1
                guard index < arguments.count else { throw Failure(.usage, "--user takes a name (see --help)") }
                self.user = index
            } else if bytes.holds("--store", at: word), !self.isStoring {
                self.isStoring = true
            } else {
                // What begins with - is no name, and would be an option.
                guard bytes.isName(word), !bytes.begins(word, with: "-"), !text.isTruncated else {
                    throw Failure(.usage) {
                        $0.append(quoted: text.storage.span, word)
                        $0.append(": neither a listener's name nor a known option, or given twice (see --help)")
                    }
                }
                guard self.nameCount < 32 else { throw Failure(.usage, "more than 32 names (see --help)") }
                guard self.place(of: word, bytes, arguments) == nil else {
                    throw Failure(.usage, "the same NAME twice (see --help)")
                }
                self.names[self.nameCount] = index
                self.nameCount += 1
            }
            index += 1
        }
        guard self.nameCount > 0 else { throw Failure(.usage, "no NAME (see --help)") }
        guard (self.peer == nil ? 0 : 1) + (command == nil ? 0 : 1) + (self.isStoring ? 1 : 0) == 1 else {
            throw Failure(.usage, "give one of --fd N, --store and -- COMMAND (see --help)")
        }
        if let command {
            guard command < arguments.count else { throw Failure(.usage, "no COMMAND behind -- (see --help)") }
            self.action = .execute(command)
        } else if let peer = self.peer {
            self.action = .send(peer)
        } else {
            self.action = .store
        }
    }

    /// Whether another program follows, which may have uses for new privileges.
    var isExecuting: Bool { self.peer == nil && !self.isStoring }

    /// The place among the NAMEs of the name at `range` of `text`; nil if it is none of them.
    func place(of range: TextRange, _ text: Span<UInt8>, _ arguments: Arguments) -> Int? {
        for index in 0..<self.nameCount {
            let name = arguments.text(self.names[index])
            guard !text.extracting(range.start..<range.end).isEqual(to: name.storage.span.extracting(first: name.count))
            else { return index }
        }
        return nil
    }
}
