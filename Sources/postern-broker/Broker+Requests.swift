/// What is asked for, verb by verb.
extension Broker {
    /// Answers a request, or puts it by.
    mutating func answer(
        _ index: Int, _ request: Request, _ text: Span<UInt8>, _ tag: TextBuffer<8>, _ identity: borrowing Identity,
        _ descriptors: inout DescriptorList
    ) {
        switch request.verb {
        case .hello: self.hello(index, tag, identity)
        case .get: self.get(index, request, text, tag, identity)
        case .release: self.release(index, request, text, tag)
        case .list: self.list(index, request, tag, identity)
        case .stat: self.stat(index, request, text, tag, identity)
        case .store: self.store(index, request, text, tag, identity, &descriptors)
        case .drop: self.drop(index, request, text, tag, identity)
        case .unknown: self.refuse(index, .unknownVerb, "no such verb in this version", tag: tag)
        }
    }

    private mutating func hello(_ index: Int, _ tag: TextBuffer<8>, _ identity: borrowing Identity) {
        var mayStore = false
        for slot in 0..<64 where self.policy.slots & 1 << slot != 0 {
            for line in 0..<self.policy.lineCount(slot)
            where self.policy.permits(.store, slot, line: line, to: identity) { mayStore = true }
        }
        if mayStore != self.peers[index].mayStore {
            self.peers[index].mayStore = mayStore
            // (Before Linux 6.16 descriptors cannot be kept off; the room for them is what counts then.)
            try? self.peers[index].socket.setOption(passRightsOption, mayStore ? 1 : 0, "setsockopt SO_PASSRIGHTS")
        }
        self.beginReply(.ok, tag)
        self.reply.append("version", "1")
        let generation = self.generation
        self.reply.append("generation") { $0.append(generation) }
        self.reply.append("features", "exclusive wait store state")
        self.reply.append("max-request", decimal: Packet.maxRequest)
        self.reply.append("max-names", decimal: Request.maxNames)
        self.reply.append("max-descriptors", decimal: DescriptorList.capacity)
        self.reply.append("max-wait", decimal: Request.maxWait)
        _ = self.sendReply(to: index)
    }

    private mutating func get(
        _ index: Int, _ request: Request, _ text: Span<UInt8>, _ tag: TextBuffer<8>, _ identity: borrowing Identity
    ) {
        var pending = Pending()
        pending.tag = tag
        pending.isExclusive = request.isExclusive
        pending.deadline = self.now + request.wait
        self.order += 1
        pending.order = self.order
        for number in 0..<request.nameCount {
            guard let slot = self.permittedSlot(index, request, number, text, tag, .get, identity) else { return }
            pending.slots[number] = UInt8(slot)
            pending.names |= 1 << slot
        }
        pending.count = request.nameCount
        guard self.socketCount(pending) <= DescriptorList.capacity else {
            return self.refuse(index, .tooBig, "more than 64 sockets at once", tag: tag)
        }
        self.peers[index].pending = pending
        self.attempt(index)
    }

    /// The slot of a request's name, on which the peer has the right; nil where it was refused.
    private mutating func permittedSlot(
        _ index: Int, _ request: Request, _ number: Int, _ text: Span<UInt8>, _ tag: TextBuffer<8>, _ right: Right,
        _ identity: borrowing Identity
    ) -> Int? {
        let range = request.names[number]
        var name = TextBuffer<64>()
        name.append(text, range)
        let slot = self.policy.slot(of: text.extracting(range.start..<range.end))
        if let slot, self.policy.permits(right, slot, to: identity) { return slot }
        // What exists is nobody's business but theirs who may list.
        if slot == nil, self.policy.slots(permitting: .list, to: identity) != 0 {
            self.refuse(index, .missing, "no such name in the policy", name, tag: tag)
            return nil
        }
        if let slot { self.counters[slot].denied += 1 }
        let reason: StaticString =
            switch right {
            case .get: "may not get it (get= in the policy)"
            case .list: "may not list it (list= in the policy)"
            case .drop: "may not drop it (drop= in the policy)"
            case .store, .bind: "may not store it (store= in the policy)"
            }
        self.refuse(index, .denied, reason, name, tag: tag)
        return nil
    }

    /// Grants what a connection waits for, if that is possible now; refuses it if its time is over.
    mutating func attempt(_ index: Int) {
        guard let pending = self.peers[index].pending else { return }
        var incomplete: UInt64 = 0
        for slot in 0..<64 where pending.names & 1 << slot != 0 && !self.isComplete(slot) { incomplete |= 1 << slot }
        let obstacles = self.leases.obstacles(
            to: pending.names, exclusively: pending.isExclusive, peer: index, uid: self.peers[index].uid, now: self.now)
        let isFree = incomplete | obstacles == 0
        if isFree, self.unreadDescriptors(of: self.peers[index].uid) + self.socketCount(pending) <= Self.maxUnread {
            self.peers[index].pending = nil
            return self.grant(index, pending)
        }
        guard self.now >= pending.deadline else { return self.admission.setFixed(index, true) }
        self.peers[index].pending = nil
        self.admission.setFixed(index, self.leases.names(of: index) != 0)
        guard !isFree else {
            return self.refuse(
                index, .tooMany, "this user has not read the grants that it was sent", tag: pending.tag)
        }
        let slot = (incomplete != 0 ? incomplete : obstacles).trailingZeroBitCount
        self.refuse(
            index, incomplete != 0 ? .missing : .busy,
            incomplete != 0
                ? "nothing is stored under it (postern-binder NAME --store)" : "another connection holds it",
            self.policy.name(slot), tag: pending.tag)
    }

    /// Tries whatever waits, first come first served.
    mutating func retryPending() {
        self.isRetryDue = false
        var last = 0
        while true {
            var next: Int?
            for index in 0..<Leases.maxPeers {
                guard let pending = self.peers[index].pending, self.peers[index].barrier.rawValue < 0,
                    pending.order > last
                else { continue }
                if let other = next, let found = self.peers[other].pending, found.order < pending.order { continue }
                next = index
            }
            guard let index = next, let pending = self.peers[index].pending else { return }
            last = pending.order
            self.attempt(index)
        }
    }

    /// How many sockets a request is for.
    mutating func socketCount(_ pending: Pending) -> Int {
        var sockets = 0
        for number in 0..<pending.count { sockets += self.policy.socketCount(Int(pending.slots[number])) }
        return sockets
    }

    private mutating func grant(_ index: Int, _ pending: Pending) {
        var numbers = InlineArray<64, Int32>(repeating: -1)
        var count = 0
        self.beginReply(.ok, pending.tag)
        self.reply.append("fds", decimal: self.socketCount(pending))
        for number in 0..<pending.count {
            let slot = Int(pending.slots[number])
            let name = self.policy.name(slot)
            for line in 0..<self.policy.lineCount(slot) {
                let spec = self.policy.line(slot, line).spec
                for place in slot * 8..<slot * 8 + 8 where self.held[place].isHere && self.held[place].line == line {
                    // (Every other look comes by an event or within a second.)
                    if !self.held[place].descriptor.isListening() { self.look(place) }
                    if self.leases.count(slot) == 0 { self.held[place].descriptor.resetOptions() }
                    numbers[count] = self.held[place].descriptor.rawValue
                    self.reply.append("fd", count) {
                        $0.append(name)
                        $0.append(" ")
                        $0.append(spec)
                    }
                    count += 1
                }
            }
            self.counters[slot].gets += 1
        }
        let error = self.sendReply(to: index, numbers, count: count)
        guard error == 0 else { return self.grantFailed(index, pending, error) }
        let wasExclusive = self.leases.exclusive
        self.leases.grant(pending.names, exclusively: pending.isExclusive, to: index, now: self.now)
        self.admission.setFixed(index, true)
        self.peers[index].unreadDescriptors = count
        var line = self.auditLine("get", index)
        self.addNames(pending.names, to: &line)
        line.add("mode", pending.isExclusive ? "exclusive" : "shared")
        line.add("fds", count)
        if self.leases.exclusive != wasExclusive { self.writeState() }
        self.audit.write(line)
    }

    /// A grant that the kernel would not carry: ETOOMANYREFS where too many descriptors are on their way. What the
    /// connection held before, it holds.
    private mutating func grantFailed(_ index: Int, _ pending: Pending, _ error: Int32) {
        guard self.peers[index].socket.rawValue >= 0 else { return }
        self.admission.setFixed(index, self.leases.names(of: index) != 0)
        self.beginReply(.internal, pending.tag)
        self.reply.append("errno", decimal: Int(error))
        self.reply.append("text") {
            $0.append("send: ")
            $0.append(errno: error)
        }
        _ = self.sendReply(to: index)
        var line = self.auditLine("refusal", index)
        line.add("code", 500)
        line.add("errno", Int(error))
        self.audit.write(refusal: line, now: self.now)
    }

    /// How many descriptors in grants a uid has not read yet.
    private mutating func unreadDescriptors(of uid: UInt32) -> Int {
        var sum = 0
        for index in 0..<Leases.maxPeers
        where self.peers[index].unreadDescriptors > 0 && self.peers[index].socket.rawValue >= 0
            && self.peers[index].uid == uid
        {
            if self.peers[index].socket.hasUnread() {
                sum += self.peers[index].unreadDescriptors
            } else {
                self.peers[index].unreadDescriptors = 0
            }
        }
        return sum
    }

    private mutating func release(_ index: Int, _ request: Request, _ text: Span<UInt8>, _ tag: TextBuffer<8>) {
        var names: UInt64 = 0
        for number in 0..<request.nameCount {
            let range = request.names[number]
            guard let slot = self.policy.slot(of: text.extracting(range.start..<range.end)),
                self.leases.names(of: index) & 1 << slot != 0
            else {
                var name = TextBuffer<64>()
                name.append(text, range)
                return self.refuse(index, .missing, "not held on this connection", name, tag: tag)
            }
            names |= 1 << slot
        }
        self.leasesEnded(self.leases.release(names, of: index))
        self.admission.setFixed(index, self.leases.names(of: index) != 0)
        var line = self.auditLine("release", index)
        self.addNames(names, to: &line)
        self.audit.write(line)
        self.beginReply(.ok, tag)
        _ = self.sendReply(to: index)
    }

    private mutating func list(_ index: Int, _ request: Request, _ tag: TextBuffer<8>, _ identity: borrowing Identity) {
        let names = self.policy.slots(permitting: .list, to: identity)
        guard names != 0 else {
            return self.refuse(index, .denied, "this user may list nothing (list= in the policy)", tag: tag)
        }
        self.beginReply(.ok, tag)
        var number = 0
        for slot in 0..<64 where names & 1 << slot != 0 {
            let sockets = self.policy.socketCount(slot)
            // A name's items stay together, and there is room for `next=` behind them.
            if number >= request.first, self.reply.text.count + sockets * 240 > Packet.maxReply - 32 {
                self.reply.append("next", decimal: number)
                break
            }
            if number >= request.first { self.appendItems(slot) }
            number += sockets
        }
        _ = self.sendReply(to: index)
    }

    /// Writes a name's `item` lines, one a socket.
    private mutating func appendItems(_ slot: Int) {
        let name = self.policy.name(slot)
        let leases = self.leases.count(slot)
        let isExclusive = self.leases.exclusive & 1 << slot != 0
        for number in 0..<self.policy.lineCount(slot) {
            let line = self.policy.line(slot, number)
            var place = slot * 8
            for _ in 0..<line.socket.descriptorCount {
                while place < slot * 8 + 8, !self.held[place].isHere || self.held[place].line != number { place += 1 }
                let isHere = place < slot * 8 + 8
                let queue = isHere ? self.held[place].descriptor.queueLength(line.socket.transport) : 0
                let isSpoiled = isHere && self.held[place].isSpoiled
                self.reply.append("item") {
                    $0.append(name)
                    $0.append(" ")
                    $0.append(line.spec)
                    $0.append(" leases=")
                    $0.append(decimal: leases)
                    $0.append(" queue=")
                    $0.append(decimal: queue)
                    if !isHere { $0.append(" missing") }
                    if isSpoiled { $0.append(" spoiled") }
                    if isExclusive { $0.append(" exclusive") }
                }
                place += 1
            }
        }
    }

    private mutating func stat(
        _ index: Int, _ request: Request, _ text: Span<UInt8>, _ tag: TextBuffer<8>, _ identity: borrowing Identity
    ) {
        guard let slot = self.permittedSlot(index, request, 0, text, tag, .list, identity) else { return }
        self.beginReply(.ok, tag)
        self.appendItems(slot)
        let counters = self.counters[slot]
        self.reply.append("gets", decimal: counters.gets)
        self.reply.append("denied", decimal: counters.denied)
        self.reply.append("stores", decimal: counters.stores)
        self.reply.append("heals", decimal: counters.heals)
        self.reply.append("holders", decimal: self.leases.count(slot))
        var number = 0
        for holder in 0..<Leases.maxPeers where self.leases.names(of: holder) & 1 << slot != 0 && number < 64 {
            let isExclusive = self.leases.exclusiveNames(of: holder) & 1 << slot != 0
            let (uid, pid) = (Int(self.peers[holder].uid), Int(self.peers[holder].pid))
            let age = self.now - self.leases.since(holder)
            self.reply.append("holder", number) {
                $0.append("uid=")
                $0.append(decimal: uid)
                $0.append(" pid=")
                $0.append(decimal: pid)
                $0.append(isExclusive ? " mode=exclusive ms=" : " mode=shared ms=")
                $0.append(decimal: age)
            }
            number += 1
        }
        _ = self.sendReply(to: index)
    }

    private mutating func drop(
        _ index: Int, _ request: Request, _ text: Span<UInt8>, _ tag: TextBuffer<8>, _ identity: borrowing Identity
    ) {
        guard let slot = self.permittedSlot(index, request, 0, text, tag, .drop, identity) else { return }
        let name = self.policy.name(slot)
        let count = self.letGo(slot)
        guard count > 0 else {
            return self.refuse(index, .missing, "nothing is stored under it", name, tag: tag)
        }
        self.manager.removeStored(name)
        self.leases.forget(1 << slot)
        self.endFixed()
        self.leasesEnded(1 << slot)
        var line = self.auditLine("drop", index)
        line.add("name") { $0.append(name) }
        line.add("fds", count)
        self.audit.write(line)
        self.beginReply(.ok, tag)
        self.reply.append("dropped", decimal: count)
        _ = self.sendReply(to: index)
    }
}
