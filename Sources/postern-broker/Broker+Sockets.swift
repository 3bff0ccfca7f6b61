internal import CPosternSys

/// The sockets themselves: how they come in, how they are kept sound, how they go.
extension Broker {
    /// How many sockets are held.
    func heldCount() -> Int {
        var count = 0
        for place in 0..<512 where self.held[place].isHere { count += 1 }
        return count
    }

    /// Whether every socket of the name in a slot is here.
    mutating func isComplete(_ slot: Int) -> Bool {
        self.count(slot) == self.policy.socketCount(slot)
    }

    /// How many sockets of a name are here, or of one of its lines.
    private func count(_ slot: Int, line: Int? = nil) -> Int {
        var count = 0
        for place in slot * 8..<slot * 8 + 8 where self.held[place].isHere {
            if line == nil || self.held[place].line == line { count += 1 }
        }
        return count
    }

    /// Puts a socket into its name's place.
    private mutating func put(_ descriptor: consuming Descriptor, _ slot: Int, line: Int) {
        for place in slot * 8..<slot * 8 + 8 where !self.held[place].isHere {
            self.held[place] = HeldSocket(descriptor, line: line)
            self.held[place].family = self.held[place].descriptor.family
            self.counters[slot].idleSince = self.now
            self.counters[slot].isWarned = false
            // No holder may put a filter on it that keeps traffic out; it cannot be healed without a privilege.
            try? self.held[place].descriptor.setOption(lockFilterOption, 1, "setsockopt SO_LOCK_FILTER")
            return
        }
    }

    /// Closes every socket of the name in a slot; returns how many there were.
    mutating func letGo(_ slot: Int) -> Int {
        var count = 0
        for place in slot * 8..<slot * 8 + 8 where self.held[place].isHere {
            self.held[place] = HeldSocket()
            count += 1
        }
        return count
    }

    /// Whether a socket is one that is held already.
    private func isHeld(_ cookie: UInt64) -> Bool {
        guard cookie != 0 else { return false }
        for place in 0..<512
        where self.held[place].isHere && self.held[place].descriptor.cookie(socketCookieOption) == cookie {
            return true
        }
        return false
    }

    /// Takes in what the manager handed over, as far as the policy knows it; the rest is closed, and said.
    mutating func claimInherited() {
        for number in 0..<self.inherited.count {
            let name = self.inherited.entries[number].name
            let descriptor = self.inherited.take(number)
            guard descriptor.rawValue >= 0, !self.isHeld(descriptor.cookie(socketCookieOption)) else { continue }
            let bytes = name.storage.span
            guard let slot = self.policy.slot(of: bytes.extracting(first: name.count)) else {
                self.report("unknown-socket", name)
                self.manager.removeStored(name)
                continue
            }
            guard let line = self.line(for: descriptor, slot) else {
                self.report("mismatched-socket", name)
                continue
            }
            self.put(descriptor, slot, line: line)
        }
        if self.inherited.surplus > 0 {
            var line = AuditLine("surplus-sockets")
            line.add("fds", self.inherited.surplus)
            self.audit.write(line)
        }
    }

    /// The line of a name that a socket is for and that has room for it.
    private mutating func line(for descriptor: borrowing Descriptor, _ slot: Int) -> Int? {
        guard self.isOfOurNetwork(descriptor) else { return nil }
        // (The last run's holders may have spoiled it meanwhile; but what is sound is healed to fit no other line.)
        for isHealing in 0..<2 {
            for line in 0..<self.policy.lineCount(slot) {
                let spec = self.policy.line(slot, line).socket
                guard self.count(slot, line: line) < spec.descriptorCount else { continue }
                let isFit = isHealing == 0 ? descriptor.isSound(as: spec) : descriptor.look(as: spec) != .spoiled
                if isFit { return line }
            }
        }
        return nil
    }

    /// Whether a socket is of the network that programs connect from: one of another answers nobody.
    private func isOfOurNetwork(_ descriptor: borrowing Descriptor) -> Bool {
        let cookie = descriptor.cookie(networkCookieOption)
        return cookie == 0 || self.network == 0 || cookie == self.network
    }

    private mutating func report(_ event: StaticString, _ name: TextBuffer<64>) {
        var line = AuditLine(event)
        line.add("name") { $0.append(quoted: name.storage.span, TextRange(0, name.count)) }
        self.audit.write(line)
    }

    /// STORE.
    mutating func store(
        _ index: Int, _ request: Request, _ text: Span<UInt8>, _ tag: TextBuffer<8>, _ identity: borrowing Identity,
        _ descriptors: inout DescriptorList
    ) {
        let range = request.names[0]
        var name = TextBuffer<64>()
        name.append(text, range)
        let slot = self.policy.slot(of: text.extracting(range.start..<range.end))
        let wanted: SocketSpec
        do throws(PolicyError) {
            wanted = try SocketSpec(wireAt: request.spec, in: text)
        } catch {
            return self.refuse(index, .malformed, error.text, name, tag: tag)
        }
        var found: Int?
        if let slot {
            for line in 0..<self.policy.lineCount(slot)
            where found == nil && self.policy.line(slot, line).socket.isEquivalent(to: wanted) { found = line }
            let isPermitted =
                if let found { self.policy.permits(.store, slot, line: found, to: identity) } else {
                    self.policy.permits(.store, slot, to: identity)
                }
            guard isPermitted else {
                self.counters[slot].denied += 1
                return self.refuse(index, .denied, "may not store it (store= in the policy)", name, tag: tag)
            }
        }
        guard let slot else {
            let mayList = self.policy.slots(permitting: .list, to: identity) != 0
            return self.refuse(
                index, mayList ? .missing : .denied,
                mayList ? "no such name in the policy" : "may not store it (store= in the policy)", name, tag: tag)
        }
        guard let line = found else {
            return self.refuse(index, .mismatch, "the policy has no such socket under that name", name, tag: tag)
        }
        guard self.peers[index].mayStore else {
            return self.refuse(index, .malformed, "STORE comes after an answered HELLO", name, tag: tag)
        }
        let spec = self.policy.line(slot, line).socket
        guard descriptors.count == spec.descriptorCount else {
            return self.refuse(index, .mismatch, "the line takes another number of sockets", name, tag: tag)
        }
        let isReplacing = self.count(slot, line: line) > 0
        if isReplacing {
            guard request.isReplacing else {
                return self.refuse(index, .busy, "stored already (replace=1 replaces it)", name, tag: tag)
            }
            guard self.policy.permits(.drop, slot, line: line, to: identity) else {
                return self.refuse(index, .denied, "may not replace it (drop= in the policy)", name, tag: tag)
            }
        }
        if let reason = self.mismatch(descriptors, spec) {
            return self.refuse(index, .mismatch, reason, name, tag: tag)
        }
        for place in slot * 8..<slot * 8 + 8 where self.held[place].isHere && self.held[place].line == line {
            self.held[place] = HeldSocket()
        }
        let count = descriptors.count
        while let descriptor = descriptors.popLast() { self.put(descriptor, slot, line: line) }
        self.counters[slot].stores += 1
        var entry = self.auditLine("store", index)
        entry.add("name") { $0.append(name) }
        entry.add("spec") { $0.append(quoted: text, request.spec) }
        entry.add("fds", count)
        self.audit.write(entry)
        self.isRetryDue = true
        self.putIntoStore(slot, isReplacing: isReplacing)
        self.awaitManager(index, tag)
    }

    /// Why these are not the sockets of a line; nil if they are.
    private func mismatch(_ descriptors: borrowing DescriptorList, _ spec: SocketSpec) -> StaticString? {
        for number in 0..<descriptors.count {
            // Looked at only: the list still owns it.
            let descriptor = Descriptor(owning: descriptors.rawValues[number])
            let cookie = descriptor.cookie(socketCookieOption)
            let isOurs = self.isOfOurNetwork(descriptor)
            var mismatch: SocketMismatch?
            do throws(SocketMismatch) { try descriptor.check(against: spec) } catch { mismatch = error }
            _ = descriptor.release()
            if let mismatch { return mismatch.text }
            if !isOurs { return "of another network namespace" }
            if self.isHeld(cookie) { return "the same socket is held already" }
            for other in 0..<number {
                let earlier = Descriptor(owning: descriptors.rawValues[other])
                let isSame = cookie != 0 && earlier.cookie(socketCookieOption) == cookie
                _ = earlier.release()
                if isSame { return "the same socket twice" }
            }
        }
        return nil
    }

    /// Tells the manager what there is under a name now.
    mutating func putIntoStore(_ slot: Int, isReplacing: Bool) {
        guard self.manager.storeLimit > 0 else { return }
        let name = self.policy.name(slot)
        if isReplacing { self.manager.removeStored(name) }
        var numbers = InlineArray<8, Int32>(repeating: -1)
        var count = 0
        for place in slot * 8..<slot * 8 + 8 where self.held[place].isHere {
            numbers[count] = self.held[place].descriptor.rawValue
            count += 1
        }
        if count > 0, !self.manager.store(name, numbers, count: count) { self.report("not-in-store", name) }
    }

    /// Answers a STORE once the manager has the sockets, so that who was answered need not fear the broker's end.
    private mutating func awaitManager(_ index: Int, _ tag: TextBuffer<8>) {
        var pending = Pending()
        pending.tag = tag
        pending.deadline = self.now + Self.barrierTime
        self.peers[index].pending = pending
        self.admission.setFixed(index, true)
        guard self.manager.storeLimit > 0 else { return self.finishStore(index, isConfirmed: true) }
        guard let barrier = self.manager.barrier() else { return self.finishStore(index, isConfirmed: false) }
        self.peers[index].barrier = barrier
    }

    /// Answers a STORE.
    mutating func finishStore(_ index: Int, isConfirmed: Bool) {
        guard let pending = self.peers[index].pending else { return }
        self.peers[index].pending = nil
        self.peers[index].barrier = Descriptor(owning: -1)
        self.admission.setFixed(index, self.leases.names(of: index) != 0)
        self.beginReply(.ok, pending.tag)
        self.reply.append("stored", decimal: 1)
        if !isConfirmed { self.reply.append("x-stored", "unconfirmed") }
        _ = self.sendReply(to: index)
    }

    /// Looks at one socket, heals it if a holder has spoiled it, and says so.
    mutating func look(_ place: Int) {
        guard self.held[place].isHere else { return }
        let slot = place / 8
        let line = self.policy.line(slot, self.held[place].line)
        let wasSpoiled = self.held[place].isSpoiled
        var event: StaticString = "healed"
        switch self.held[place].descriptor.look(as: line.socket, family: self.held[place].family) {
        case .sound:
            // (A UDP socket that was shut down, or has an error in its queue, shows it by nothing else, again and again:
            // nobody waits for events of it until that is over.)
            self.held[place].isSpoiled = line.socket.transport == .udp && self.held[place].descriptor.isHungUp()
            guard self.held[place].isSpoiled != wasSpoiled else { return }
            event = self.held[place].isSpoiled ? "spoiled" : "sound"
        case .healed:
            self.held[place].isSpoiled = false
            self.counters[slot].heals += 1
        case .spoiled:
            // (A listener that hangs up was spoiled again between the healing and the look: that is heeded as before.)
            let isAgain = line.socket.transport == .tcp && self.held[place].descriptor.isHungUp()
            self.held[place].isSpoiled = !isAgain
            guard !wasSpoiled else { return }
            if isAgain { return self.held[place].countLook(now: self.now) }
            event = "spoiled"
        }
        self.held[place].countLook(now: self.now)
        let name = self.policy.name(slot)
        var entry = AuditLine(event)
        entry.add("name") { $0.append(name) }
        entry.add("spec") { $0.append(quoted: line.spec.storage.span, TextRange(0, line.spec.count)) }
        self.addHolders(of: slot, to: &entry)
        self.audit.write(entry)
    }

    /// Looks at every socket, since not everything that spoils one is an event; and at who holds nothing.
    mutating func lookAtAll() {
        for place in 0..<512 where self.held[place].isHere { self.look(place) }
        let leased = self.leases.held
        for slot in 0..<64 where self.policy.slots & 1 << slot != 0 {
            guard leased & 1 << slot == 0, self.isComplete(slot) else { continue }
            guard !self.counters[slot].isWarned, self.now - self.counters[slot].idleSince >= Self.idleTime else {
                continue
            }
            self.counters[slot].isWarned = true
            self.report("nobody-holds", self.policy.name(slot))
        }
        _ = self.leases.endKeeping(now: self.now)
        // (Names may be kept for nobody any more, and grants may have been read.)
        self.isRetryDue = true
        self.reportStatus()
    }

    /// Does what follows when leases have ended: who waits is tried again, and the clock of the idle begins.
    mutating func leasesEnded(_ names: UInt64) {
        guard names != 0 else { return }
        let leased = self.leases.held
        for slot in 0..<64 where names & ~leased & 1 << slot != 0 {
            self.counters[slot].idleSince = self.now
            self.counters[slot].isWarned = false
        }
        self.isRetryDue = true
        self.writeState()
    }
}
