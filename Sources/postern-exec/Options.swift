/// The command line: `[OPTION]… NAME… -- COMMAND [ARG]…`. Arguments are kept as their indices.
struct Options {
    /// Who is asked for the listeners.
    enum Source: UInt8 {
        case systemd = 1
        case broker, binder
        /// Each of them in turn, for what the ones before it did not have.
        case auto
    }

    private static var help: StaticString {
        """
        usage: postern-exec [OPTION]... NAME... -- COMMAND [ARG]...

        Gets the listeners of every NAME, all or none, and becomes COMMAND, which finds them from descriptor 3 up, in
        the order of the NAMEs (LISTEN_FDS, LISTEN_PID, LISTEN_PIDFDID, LISTEN_FDNAMES). {fd:NAME} in an ARG is
        replaced by the descriptor's number, {fd:NAME:1} by that of the NAME's second socket.

          --from SOURCE    systemd (LISTEN_FDS), broker or binder; by default auto: each of them in turn
          --speak nginx    set NGINX too
          --speak stdin    make the only listener descriptor 0 too
          --mode MODE      shared (the default) or exclusive: nobody else gets it from the broker at the same time
          --wait SECONDS   how long the broker may wait until it has it to give; 0 (the default) to 60
          --help, --version

        Exit status: COMMAND's; 64 usage, 69 unavailable, 71 system error, 77 not permitted, 78 configuration.

        """
    }

    /// What to print instead of anything else.
    private(set) var output: StaticString?
    private(set) var source = Source.auto
    private(set) var speaksNginx = false
    private(set) var speaksStdin = false
    /// The mode that was asked for, if one was.
    private(set) var mode: StaticString?
    /// The wait that was asked for, if one was, in milliseconds.
    private(set) var wait: Int32?
    private(set) var nameCount = 0
    /// The index of COMMAND among the arguments.
    private(set) var command = 0
    /// The indices of the NAMEs among the arguments.
    private(set) var names = InlineArray<32, Int>(repeating: 0)

    /// Reads the command line, and changes nothing.
    init(_ arguments: Arguments) throws(Failure) {
        var index = 1
        while index < arguments.count, self.command == 0 {
            let text = arguments.text(index)
            let word = TextRange(0, text.count)
            let bytes = text.storage.span
            if bytes.holds("--help", at: word) {
                self.output = Self.help
                return
            } else if bytes.holds("--version", at: word) {
                self.output = "postern-exec 0.1.0\n"
                return
            } else if bytes.holds("--", at: word) {
                self.command = index + 1
            } else if bytes.begins(word, with: "--") {
                try self.readOption(text, value: arguments.text(index + 1))
                index += 1
            } else {
                try self.addName(text, index, arguments)
            }
            index += 1
        }
        guard self.nameCount > 0 else { throw Failure(.usage, "no NAME (see --help)") }
        guard self.command > 0, self.command < arguments.count else {
            throw Failure(.usage, "no COMMAND; it comes behind -- (see --help)")
        }
        if self.source == .systemd || self.source == .binder, self.mode != nil || self.wait != nil {
            throw Failure(.usage, "--mode and --wait are the broker's, which --from leaves out (see --help)")
        }
        if self.speaksStdin, self.nameCount > 1 {
            throw Failure(.usage, "--speak stdin takes one NAME: descriptor 0 is one listener (see --help)")
        }
    }

    /// The name at that place on the command line, counted from 0.
    func name(_ place: Int, _ arguments: Arguments) -> TextBuffer<64> { arguments.text(self.names[place]) }

    /// The place among the NAMEs of the name at `range` of `text`; nil if it is none of them.
    func place(of range: TextRange, in text: Span<UInt8>, _ arguments: Arguments) -> Int? {
        for place in 0..<self.nameCount {
            let name = self.name(place, arguments)
            guard !text.extracting(range.start..<range.end).isEqual(to: name.storage.span.extracting(first: name.count))
            else { return place }
        }
        return nil
    }

    private mutating func addName(_ text: TextBuffer<64>, _ index: Int, _ arguments: Arguments) throws(Failure) {
        let word = TextRange(0, text.count)
        // What begins with - is no name, and would be an option.
        guard text.storage.span.isName(word), !text.storage.span.begins(word, with: "-"), !text.isTruncated else {
            throw Failure(.usage) {
                $0.append(quoted: text.storage.span, word)
                $0.append(": not a listener's name (see --help)")
            }
        }
        guard self.nameCount < 32 else { throw Failure(.usage, "more than 32 NAMEs (see --help)") }
        guard self.place(of: word, in: text.storage.span, arguments) == nil else {
            throw Failure(.usage, "the same NAME twice (see --help)")
        }
        self.names[self.nameCount] = index
        self.nameCount += 1
    }

    /// Reads one option and its value, which is empty at the command line's end; given twice, the last one counts.
    private mutating func readOption(_ option: TextBuffer<64>, value: TextBuffer<64>) throws(Failure) {
        let (name, bytes) = (TextRange(0, option.count), option.storage.span)
        func holds(_ word: StaticString) -> Bool { value.storage.span.holds(word, at: TextRange(0, value.count)) }
        if bytes.holds("--from", at: name) {
            if holds("auto") {
                self.source = .auto
            } else if holds("systemd") {
                self.source = .systemd
            } else if holds("broker") {
                self.source = .broker
            } else if holds("binder") {
                self.source = .binder
            } else {
                throw Failure(.usage, "--from takes auto, systemd, broker or binder (see --help)")
            }
        } else if bytes.holds("--speak", at: name) {
            guard holds("nginx") || holds("stdin") else {
                throw Failure(.usage, "--speak takes nginx or stdin (see --help)")
            }
            if holds("nginx") { self.speaksNginx = true } else { self.speaksStdin = true }
        } else if bytes.holds("--mode", at: name) {
            guard holds("shared") || holds("exclusive") else {
                throw Failure(.usage, "--mode takes shared or exclusive (see --help)")
            }
            self.mode = holds("shared") ? "shared" : "exclusive"
        } else if bytes.holds("--wait", at: name) {
            guard let seconds = value.storage.span.decimal(at: TextRange(0, value.count), upTo: 60) else {
                throw Failure(.usage, "--wait takes seconds, 0 to 60 (see --help)")
            }
            self.wait = Int32(seconds) * 1000
        } else {
            throw Failure(.usage) {
                $0.append(quoted: bytes, name)
                $0.append(": not a known option (see --help)")
            }
        }
    }
}
