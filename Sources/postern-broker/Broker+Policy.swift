/// The policy, at the start and at a reload; and what is told to the manager of it.
extension Broker {
    /// Reads the policy and puts it in the old one's place, or changes nothing.
    mutating func readPolicy() throws(Failure) {
        var buffer = TextBuffer<65537>()
        try postern_broker.readPolicy(at: self.policyPath, into: &buffer)
        let text = buffer.storage.span.extracting(first: buffer.count)
        var table = PolicyTable()
        var parser = PolicyParser()
        while let entry = try nextEntry(&parser, text, self.policyPath) {
            let error = try table.append(entry, in: text) { subject throws(Failure) in
                try accountNumber(of: subject, in: text)
            }
            guard error == nil else {
                throw Failure(.configuration, "the policy names more than 4096 users and groups")
            }
        }
        table.keepSlots(of: &self.policy)
        self.apply(&table)
        self.recheckPending()
        self.endFixed()
        self.isPolicyRead = true
        self.claimInherited()
        self.isRetryDue = true
    }

    /// SIGHUP: rights change, listeners stay; what the new policy has no place for is closed.
    mutating func reload() {
        self.manager.notifyReloading()
        var line = AuditLine("reload")
        do throws(Failure) {
            try self.readPolicy()
            line.add("verdict", "done")
        } catch {
            // (What is wrong has been said; all goes on as before.)
            line.add("verdict", "failed")
            self.isPolicyRead = false
        }
        self.audit.write(line)
        self.statusText = TextBuffer()
        self.reportStatus()
        self.manager.notify("READY=1")
    }

    private mutating func apply(_ table: inout PolicyTable) {
        for slot in 0..<64 where self.policy.slots & 1 << slot != 0 {
            let name = self.policy.name(slot)
            let isKept =
                table.slots & 1 << slot != 0
                && table.name(slot).isEqual(to: name.storage.span.extracting(first: name.count))
            if isKept { self.keepSockets(slot, &table) } else { self.remove(slot) }
        }
        swap(&self.policy, &table)
    }

    /// Closes what a name that is gone has; who holds it keeps its own, and who waits for it is told.
    private mutating func remove(_ slot: Int) {
        let name = self.policy.name(slot)
        for index in 0..<Leases.maxPeers {
            guard let pending = self.peers[index].pending, pending.names & 1 << slot != 0 else { continue }
            self.peers[index].pending = nil
            self.refuse(index, .denied, "may not get it: it was taken out of the policy", name, tag: pending.tag)
        }
        var line = AuditLine("removed")
        line.add("name") { $0.append(name) }
        self.addHolders(of: slot, to: &line)
        line.add("fds", self.letGo(slot))
        self.audit.write(line)
        self.leases.forget(1 << slot)
        self.counters[slot] = Counters()
        self.counters[slot].idleSince = self.now
        self.manager.removeStored(name)
    }

    /// Refuses who waits for what the new policy does not let it have, or for more sockets than a reply can carry now.
    private mutating func recheckPending() {
        for index in 0..<Leases.maxPeers {
            guard let pending = self.peers[index].pending else { continue }
            let identity = self.identity(of: index)
            var lost: Int?
            for number in 0..<pending.count {
                let slot = Int(pending.slots[number])
                if !self.policy.permits(.get, slot, to: identity) { lost = slot }
            }
            if let lost {
                self.peers[index].pending = nil
                let name = self.policy.name(lost)
                self.refuse(index, .denied, "may not get it (get= in the policy)", name, tag: pending.tag)
            } else if self.socketCount(pending) > DescriptorList.capacity {
                self.peers[index].pending = nil
                self.refuse(index, .tooBig, "more than 64 sockets at once", tag: pending.tag)
            }
        }
    }

    /// Lets every connection that holds nothing and waits for nothing make room again.
    mutating func endFixed() {
        for index in 0..<Leases.maxPeers
        where self.peers[index].socket.rawValue >= 0 && self.peers[index].pending == nil {
            self.admission.setFixed(index, self.leases.names(of: index) != 0)
        }
    }

    /// Finds the new line of each socket of a name that stays; one whose line is gone is closed.
    private mutating func keepSockets(_ slot: Int, _ table: inout PolicyTable) {
        var counts = InlineArray<8, Int>(repeating: 0)
        var isChanged = false
        for place in slot * 8..<slot * 8 + 8 where self.held[place].isHere {
            let old = self.policy.line(slot, self.held[place].line).socket
            var found: Int?
            for line in 0..<table.lineCount(slot) where found == nil {
                let new = table.line(slot, line).socket
                if new.isEquivalent(to: old), counts[line] < new.descriptorCount { found = line }
            }
            if let found {
                counts[found] += 1
                self.held[place].line = found
            } else {
                self.held[place] = HeldSocket()
                isChanged = true
            }
        }
        guard isChanged else { return }
        var line = AuditLine("line-removed")
        let name = self.policy.name(slot)
        line.add("name") { $0.append(name) }
        self.addHolders(of: slot, to: &line)
        self.audit.write(line)
        self.putIntoStore(slot, isReplacing: true)
    }

    /// Keeps names for who held them exclusively when the last run ended, and the file for the next one's sake.
    mutating func keepExclusiveNames() {
        let text = self.state.read()
        let bytes = text.storage.span
        var start = 0
        while start < text.count {
            let end = bytes.firstOffset(of: UInt8(ascii: "\n"), in: TextRange(start, text.count))
            let space = bytes.firstOffset(of: UInt8(ascii: " "), in: TextRange(start, end))
            if space < end, let uid = bytes.decimal(at: TextRange(space + 1, end), upTo: 0xFFFF_FFFE),
                let slot = self.policy.slot(of: bytes.extracting(start..<space))
            {
                self.leases.keep(slot, for: UInt32(uid), now: self.now)
            }
            start = end + 1
        }
        guard let file = self.state.open() else { return }
        var name = TextBuffer<64>()
        name.append("postern.state")
        var numbers = InlineArray<8, Int32>(repeating: -1)
        numbers[0] = file
        _ = self.manager.store(name, numbers, count: 1)
    }

    /// Writes down who holds what exclusively.
    mutating func writeState() {
        guard self.manager.storeLimit > 0 else { return }
        var text = TextBuffer<8192>()
        for index in 0..<Leases.maxPeers {
            let names = self.leases.exclusiveNames(of: index)
            for slot in 0..<64 where names & 1 << slot != 0 {
                text.append(self.policy.name(slot))
                text.append(" ")
                text.append(decimal: Int(self.peers[index].uid))
                text.append("\n")
            }
        }
        self.state.write(text)
    }

    /// Tells the manager in a line how things are, where that has changed.
    mutating func reportStatus() {
        var text = TextBuffer<256>()
        text.append("STATUS=holding ")
        text.append(decimal: self.heldCount())
        text.append(" sockets under ")
        text.append(decimal: self.policy.slots.nonzeroBitCount)
        text.append(" names, leased ")
        text.append(decimal: self.leases.held.nonzeroBitCount)
        if !self.isPolicyRead { text.append("; the policy as it is now cannot be used: see the log") }
        guard !text.isEqual(to: self.statusText.storage.span.extracting(first: self.statusText.count)) else { return }
        self.statusText = text
        _ = self.manager.notify(text, with: InlineArray(repeating: -1), count: 0)
    }
}
