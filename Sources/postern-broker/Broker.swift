internal import CPosternSys

/// The broker: who is connected, who holds what, and the sockets themselves. All of it has its place from the start, so
/// nothing is allocated and nothing can grow.
struct Broker: ~Copyable {
    /// How long a peer may take to its first request, in milliseconds.
    static var firstRequestTime: Int { 2000 }
    /// How often every held socket is looked at, in milliseconds.
    static var lookInterval: Int { 1000 }
    /// How long the manager may take to say that it has a stored socket, in milliseconds.
    static var barrierTime: Int { 5000 }
    /// After how long without a lease a listener is warned about, in milliseconds.
    static var idleTime: Int { 30_000 }
    /// The most descriptors in grants that a uid has not read.
    static var maxUnread: Int { 128 }

    /// What happened to one name.
    struct Counters {
        var gets = 0
        var denied = 0
        var stores = 0
        var heals = 0
        var idleSince = 0
        var isWarned = false
    }

    let policyPath: TextBuffer<128>
    let signals: Descriptor
    let manager: Manager
    let control: ControlSocket
    let generation: TextBuffer<16>
    /// The network namespace that listeners must be of; 0 where the kernel does not say.
    let network: UInt64
    var state = StateFile(Descriptor(owning: -1))
    var inherited: InheritedSockets

    var policy = PolicyTable()
    var isPolicyRead = false
    var leases = Leases()
    var admission = Admission()
    var audit = Audit()
    var peers = InlineArray<256, Peer> { _ in Peer() }
    /// Eight a slot.
    var held = InlineArray<512, HeldSocket> { _ in HeldSocket() }
    var counters = InlineArray<64, Counters>(repeating: Counters())
    var reply = ReplyWriter()

    /// Closed for a moment where descriptors run out, so that a connection can be taken and refused.
    var reserve = Descriptor(owning: -1)
    var now = 0
    var nextLook = 0
    var nextWatchdog = 0
    var order = 0
    var isRetryDue = false
    var isEnding = false
    var statusText = TextBuffer<256>()

    private var polled = InlineArray<772, pollfd>(repeating: pollfd())
    private var owners = InlineArray<772, UInt16>(repeating: 0)

    /// Takes what the process was started with, and makes what it was not.
    static func make(_ options: Options) throws(Failure) -> Broker {
        var inherited = InheritedSockets()
        var last: Int32 = 2
        do throws(ListenFDsError) {
            try ListenFDs.receive { descriptor, name in
                last = descriptor.rawValue
                inherited.append(descriptor, name: name)
            }
        } catch {
            throw Failure(.configuration, error.text)
        }
        try closeDescriptors(above: last)
        let signals = try openSignals()
        let manager = try Manager()
        let listener = inherited.take("postern.control")
        let control =
            listener.rawValue >= 0
            ? try ControlSocket.adopt(listener) : try ControlSocket.make(at: options.socketPath)
        let generation = try randomGeneration()
        return Broker(options, signals, manager, control, inherited, generation)
    }

    private init(
        _ options: Options, _ signals: consuming Descriptor, _ manager: consuming Manager,
        _ control: consuming ControlSocket, _ inherited: consuming InheritedSockets, _ generation: TextBuffer<16>
    ) {
        self.policyPath = options.policyPath
        self.network = control.listener.cookie(networkCookieOption)
        self.signals = signals
        self.manager = manager
        self.control = control
        self.inherited = inherited
        self.generation = generation
        self.reserve = openReserve()
        self.now = clock()
        self.nextLook = self.now + Self.lookInterval
    }

    /// Reads the policy and takes the inherited sockets in; then it is ready.
    mutating func start() throws(Failure) {
        let previous = self.inherited.take("postern.state")
        do throws(Failure) {
            try self.readPolicy()
        } catch {
            // Who holds ports already does not let them go for a typing error: it holds them, and serves nobody yet. (A
            // manager that gave no more than the control socket would only start it again and again.)
            guard self.inherited.count > 0 else { throw error }
        }
        if self.manager.storeLimit > 0 {
            self.state = StateFile(previous)
            self.keepExclusiveNames()
        }
        var line = AuditLine("start")
        line.add("generation") { $0.append(self.generation) }
        line.add("sockets", self.heldCount())
        line.add("store", self.manager.storeLimit)
        self.audit.write(line)
    }

    /// Serves until it is told to end.
    mutating func serve() {
        self.manager.notify("READY=1")
        self.reportStatus()
        while !self.isEnding {
            let count = self.preparePoll()
            wait(&self.polled, count: count, milliseconds: self.nextDeadline() - clock())
            self.now = clock()
            if self.polled[1].revents != 0 { self.readSignals() }
            let mayClose = self.mayGetDescriptors
            if mayClose { interruptCalls(everyMilliseconds: 1) }
            for index in 2..<count where self.polled[index].revents != 0 { self.handle(index) }
            if self.polled[0].revents != 0 { self.acceptPeers() }
            self.runTimers()
            if self.isRetryDue { self.retryPending() }
            if mayClose { interruptCalls(everyMilliseconds: 0) }
        }
        self.end()
    }

    /// Whether somebody's descriptors may come: from who may store, or, where the kernel keeps none off, from anybody.
    private var mayGetDescriptors: Bool {
        guard self.control.keepsDescriptorsOff else { return true }
        for index in 0..<Leases.maxPeers where self.peers[index].mayStore { return true }
        return false
    }

    /// Fills the table for poll(2): the control socket, the signals, connections, held sockets. A held socket wants no
    /// event: it reports only that it hung up.
    private mutating func preparePoll() -> Int {
        self.polled[0] = pollfd(fd: self.control.listener.rawValue, events: Int16(POLLIN), revents: 0)
        self.polled[1] = pollfd(fd: self.signals.rawValue, events: Int16(POLLIN), revents: 0)
        var count = 2
        for index in 0..<Leases.maxPeers where self.peers[index].socket.rawValue >= 0 {
            let isWaiting = self.peers[index].pending != nil
            let barrier = self.peers[index].barrier.rawValue
            self.polled[count] = pollfd(
                fd: barrier >= 0 ? barrier : self.peers[index].socket.rawValue,
                events: Int16(isWaiting ? 0 : POLLIN), revents: 0)
            self.owners[count] = UInt16(index)
            count += 1
        }
        for index in 0..<512
        where self.held[index].isHere && !self.held[index].isSpoiled && self.held[index].nextLook <= self.now {
            self.polled[count] = pollfd(fd: self.held[index].descriptor.rawValue, events: 0, revents: 0)
            self.owners[count] = UInt16(Leases.maxPeers + index)
            count += 1
        }
        return count
    }

    private mutating func handle(_ index: Int) {
        let owner = Int(self.owners[index])
        let events = Int32(self.polled[index].revents)
        guard owner < Leases.maxPeers else { return self.look(owner - Leases.maxPeers) }
        // (It may have gone since poll(2): another's request or a reload closes connections.)
        guard self.peers[owner].socket.rawValue >= 0 else { return }
        if self.peers[owner].barrier.rawValue >= 0 {
            self.finishStore(owner, isConfirmed: true)
        } else if self.peers[owner].pending != nil {
            if events & (POLLHUP | POLLERR) != 0 { self.close(owner) }
        } else {
            self.receive(from: owner)
        }
    }

    /// The next time at which something has to happen by itself.
    private func nextDeadline() -> Int {
        var next = self.nextLook
        if self.manager.watchdogInterval > 0 { next = min(next, self.nextWatchdog) }
        for index in 0..<Leases.maxPeers where self.peers[index].socket.rawValue >= 0 {
            if let pending = self.peers[index].pending {
                next = min(next, pending.deadline)
            } else if !self.peers[index].hasSpoken {
                next = min(next, self.peers[index].connectedAt + Self.firstRequestTime)
            }
        }
        for index in 0..<512 where self.held[index].isHere && self.held[index].nextLook > self.now {
            next = min(next, self.held[index].nextLook)
        }
        return next
    }

    private mutating func runTimers() {
        if self.manager.watchdogInterval > 0, self.now >= self.nextWatchdog {
            self.manager.notify("WATCHDOG=1")
            self.nextWatchdog = self.now + self.manager.watchdogInterval
        }
        for index in 0..<Leases.maxPeers where self.peers[index].socket.rawValue >= 0 {
            if let pending = self.peers[index].pending, self.now >= pending.deadline {
                if self.peers[index].barrier.rawValue >= 0 {
                    self.finishStore(index, isConfirmed: false)
                } else {
                    self.attempt(index)
                }
            } else if !self.peers[index].hasSpoken, self.peers[index].pending == nil,
                self.now >= self.peers[index].connectedAt + Self.firstRequestTime
            {
                self.refuse(index, .slow, "no request within 2 s", tag: TextBuffer())
                self.close(index)
            }
        }
        if self.now >= self.nextLook {
            self.lookAtAll()
            self.nextLook = self.now + Self.lookInterval
        }
    }

    private mutating func readSignals() {
        while let signal = self.signals.nextSignal() {
            if signal == SIGHUP { self.reload() } else { self.isEnding = true }
        }
    }

    /// Says goodbye. The sockets stay with the manager's store, and with who holds them.
    private mutating func end() {
        self.manager.notify("STOPPING=1")
        for index in 0..<Leases.maxPeers where self.peers[index].socket.rawValue >= 0 {
            if let pending = self.peers[index].pending {
                self.refuse(index, .draining, "the broker is ending", tag: pending.tag)
            }
        }
        self.audit.write(AuditLine("end"))
    }
}
