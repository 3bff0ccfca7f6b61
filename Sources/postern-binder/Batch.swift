internal import CCap
internal import CPosternSys

/// What one run binds: the listeners, in the order of the policy's lines, and what is said about them.
struct Batch: ~Copyable {
    private var listeners = DescriptorList()
    private var reply: Reply
    private var names = TextBuffer<4160>()

    /// Makes an empty batch for `count` listeners.
    init(count: Int) {
        self.reply = Reply(tag: "binder", descriptors: count)
    }

    /// Binds every socket of every NAME.
    mutating func bind(_ options: Options, _ arguments: Arguments, _ policy: Span<UInt8>) throws(Failure) {
        var parser = PolicyParser()
        while let entry = try nextEntry(&parser, policy, PolicyFile.standard) {
            guard options.place(of: entry.name, policy, arguments) != nil else { continue }
            for _ in 0..<entry.socket.descriptorCount {
                guard self.listeners.append(try bindListener(entry, policy)) else {
                    throw Failure(.usage, "more than 64 sockets at once")
                }
                self.reply.append(entry, in: policy)
                if self.names.count > 0 { self.names.append(":") }
                self.names.append(policy, entry.name)
            }
        }
    }

    /// Sends the listeners as a PB1 reply; a peer that does not read for 10 s gets nothing.
    consuming func send(on peer: Int32) throws(Failure) {
        do throws(SystemError) {
            try sendPacket(
                self.reply.text.storage.span.extracting(first: self.reply.text.count), with: self.listeners, on: peer,
                milliseconds: 10_000)
        } catch {
            throw Failure(.unavailable) {
                $0.append("send on --fd: ")
                $0.append(errno: error.errno)
            }
        }
    }

    /// Gives the listeners to the broker, a line of the policy at a time: where one is refused, those before it stay.
    consuming func store(_ options: Options, _ arguments: Arguments, _ policy: Span<UInt8>) throws(Failure) {
        let store = try Store.open()
        var listeners = self.listeners
        var parser = PolicyParser()
        while let entry = try nextEntry(&parser, policy, PolicyFile.standard) {
            guard options.place(of: entry.name, policy, arguments) != nil else { continue }
            try store.store(entry, policy, listeners.removeFirst(entry.socket.descriptorCount))
        }
    }

    /// Becomes the COMMAND, with the listeners from descriptor 3 up and everything else as the caller had it.
    consuming func execute(_ arguments: Arguments, _ index: Int, _ caller: borrowing Caller) throws(Failure) {
        do throws(SystemError) {
            try ListenFDs.emit(self.listeners, names: self.names)
        } catch {
            throw Failure(error)
        }
        try caller.restore()
        try arguments.execute(index)
    }
}

/// Makes, binds and listens on one socket, with CAP_NET_BIND_SERVICE effective from before bind to behind listen.
private func bindListener(_ entry: PolicyEntry, _ policy: Span<UInt8>) throws(Failure) -> Descriptor {
    var isHeld = false
    do throws(SystemError) {
        let socket = try Descriptor.socket(for: entry.socket)
        isHeld = try Capabilities.setEffective(1 << UInt64(CAP_NET_BIND_SERVICE))
        try socket.bind(to: entry.socket)
        try socket.listen(as: entry.socket)
        _ = try Capabilities.setEffective(0)
        return socket
    } catch {
        try Capabilities.lower()
        throw bindFailure(error, entry, policy, isHeld: isHeld)
    }
}
