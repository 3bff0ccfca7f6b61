internal import CPosternSys

/// The milliseconds that the broker or a binder has to answer in, beside a wait that was asked for.
private let patience: Int32 = 10_000

extension Obtained {
    /// Gets the listeners of every NAME from whom `--from` names: all or none.
    init(_ options: Options, _ arguments: Arguments) throws(Failure) {
        self.init(none: options, arguments)
        let isAuto = options.source == .auto
        var last: Int32 = 2
        if isAuto || options.source == .systemd { last = try self.takeInherited() }
        // No other descriptor reaches COMMAND in the end. Closed now, they leave room for those that come.
        guard cpostern_close_range(UInt32(last + 1), .max, 0) == 0 else { throw Failure(SystemError("close_range")) }
        guard self.missing != 0 else { return }
        if options.source == .systemd {
            var origin = TextBuffer<128>()
            origin.append("systemd (LISTEN_FDS)")
            throw self.failure(.unavailable, origin) {
                $0.append("this process was not given it; name its socket so in the unit (FileDescriptorName=)")
            }
        }
        var absence: Absence?
        if options.source != .binder {
            absence = try self.askBroker()
            guard absence != nil else { return }
        }
        try self.askBinder(absence)
    }

    /// Takes what LISTEN_FDS has under the NAMEs, and closes what it has under others. Returns the highest number that
    /// is in use then; 2 if there was none.
    private mutating func takeInherited() throws(Failure) -> Int32 {
        var last: Int32 = 2
        var failure: Failure?
        do throws(ListenFDsError) {
            try ListenFDs.receive { descriptor, name in
                let range = TextRange(0, name.count)
                guard failure == nil, let place = self.options.place(of: range, in: name, self.arguments) else {
                    return
                }
                last = descriptor.rawValue
                do throws(Failure) { try self.append(descriptor, place: place) } catch { failure = error }
            }
        } catch {
            throw Failure(.configuration) {
                $0.append("take the listeners of LISTEN_FDS: ")
                $0.append(error.text)
                $0.append("; whoever started this set it so")
            }
        }
        if let failure { throw failure }
        return last
    }

    /// Asks the broker for all that is missing; says why it was left to the binder, if it was.
    private mutating func askBroker() throws(Failure) -> Absence? {
        let path = brokerPath()
        let connection: BrokerConnection
        do throws(SystemError) {
            connection = try BrokerConnection(
                to: path.storage.span.extracting(first: path.count), milliseconds: patience)
        } catch {
            if self.options.source == .auto, error.errno == ENOENT || error.errno == ECONNREFUSED { return .noBroker }
            let isDenied = error.errno == EACCES || error.errno == EPERM
            throw self.failure(isDenied ? .permission : .unavailable, path) {
                $0.append(error)
                $0.append(isDenied ? "; may this user use that socket?" : "; does postern-broker run?")
            }
        }
        var request = RequestWriter("GET", tag: "exec")
        for place in 0..<self.options.nameCount where self.isMissing(place) {
            let name = self.options.name(place, self.arguments)
            request.append("name", name.storage.span, TextRange(0, name.count))
        }
        if let mode = self.options.mode { request.append("mode", mode) }
        if let wait = self.options.wait { request.append("wait", decimal: Int(wait)) }
        let packet: ReceivedPacket
        do throws(ExchangeError) {
            packet = try connection.exchange(
                request.text.storage.span.extracting(first: request.text.count), with: DescriptorList(),
                milliseconds: patience + (self.options.wait ?? 0))
        } catch {
            throw self.failure(error.exitStatus, path) { error.append(to: &$0) }
        }
        guard try self.take(packet, tag: "exec", path, mayLack: self.options.source == .auto) else { return .notStored }
        self.lease = Descriptor(owning: connection.release())
        return nil
    }

    /// Starts a binder for all that is missing.
    private mutating func askBinder(_ absence: Absence?) throws(Failure) {
        let path = binderPath()
        let outcome: BinderOutcome
        do throws(SystemError) {
            outcome = try runBinder(self.options, self.arguments, for: self.missing, milliseconds: patience)
        } catch {
            let isAbsent = error.errno == ENOENT || error.errno == ETIMEDOUT
            throw self.failure(error.errno == EACCES ? .permission : isAbsent ? .unavailable : .system, path) {
                $0.append(error)
                if error.errno == ETIMEDOUT { $0.append("; it was killed") }
                if error.errno == ENOENT { $0.append("; install it, or say where it is (POSTERN_BINDER)") }
                if error.errno == EACCES { $0.append("; is this user in the group postern-bind?") }
                absence?.append(to: &$0)
            }
        }
        // (Where SIGCHLD is ignored the status is lost; the answer still counts.)
        if let status = outcome.exitStatus, status != 0 {
            let known = ExitStatus(rawValue: UInt8(truncatingIfNeeded: status))
            throw self.failure(known ?? .system, path) {
                $0.append("it ended with status ")
                $0.append(decimal: Int(status))
                $0.append("; the line before this one, if there is one, says why")
                absence?.append(to: &$0)
            }
        }
        let packet: ReceivedPacket
        do throws(ReceiveError) {
            packet = try receivePacket(from: outcome.socket)
        } catch {
            throw self.failure(.system, path) { $0.append("it sent no PB1 packet") }
        }
        try self.take(packet, tag: "binder", path)
    }

    /// Checks a reply and takes over what it grants. False for a 404, where that is no failure.
    @discardableResult
    private mutating func take(
        _ packet: consuming ReceivedPacket, tag: StaticString, _ path: TextBuffer<128>, mayLack: Bool = false
    ) throws(Failure) -> Bool {
        let grant: GrantReader
        let places: InlineArray<64, UInt8>
        do throws(GrantError) {
            grant = try packet.grant(tag: tag)
            places = try self.places(of: grant, in: packet.text.storage.span.extracting(first: packet.text.count))
        } catch {
            throw self.failure(.system, path) {
                $0.append("its reply cannot be used: ")
                $0.append(error.text)
                guard error.range.count > 0 else { return }
                $0.append(": ")
                // (A line of its own, whatever the reply has.)
                let end = Swift.min(error.range.end, error.range.start + 80)
                $0.append(quoted: packet.text.storage.span, TextRange(error.range.start, end))
            }
        }
        if grant.code == 404, mayLack { return false }
        guard grant.code == 200 else {
            throw self.failure(exitStatus(ofCode: grant.code), path) {
                $0.append(refusal: grant, packet.text.storage.span, self.options)
            }
        }
        try self.append(packet, at: places)
        return true
    }
}
