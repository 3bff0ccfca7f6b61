internal import CPosternSys

/// Connections: who gets one, what comes on it, how it ends.
extension Broker {
    /// Takes what waits, 64 connections at most before others have their turn.
    mutating func acceptPeers() {
        for _ in 0..<64 {
            var error: Int32 = 0
            guard let socket = self.control.listener.acceptPeer(&error) else {
                if error == EMFILE || error == ENFILE { self.refuseForWantOfDescriptors() }
                return
            }
            guard let (pid, uid, gid) = socket.peerCredentials() else { continue }
            switch self.admission.decide(for: uid) {
            case .admit(let index):
                self.admit(socket, index, pid, uid, gid)
            case .replace(let index):
                self.refuse(index, .tooMany, "made room for a newer connection", tag: TextBuffer())
                self.close(index)
                self.admit(socket, index, pid, uid, gid)
            case .refuse:
                self.turnAway(socket, pid, uid)
            }
        }
    }

    private mutating func admit(
        _ socket: consuming Descriptor, _ index: Int, _ pid: Int32, _ uid: UInt32, _ gid: UInt32
    ) {
        self.admission.take(index, uid: uid)
        self.peers[index].socket = socket
        self.peers[index].pid = pid
        self.peers[index].uid = uid
        self.peers[index].gid = gid
        self.peers[index].connectedAt = self.now
        self.peers[index].hasSpoken = false
        self.peers[index].mayStore = false
        self.peers[index].unreadDescriptors = 0
        self.peers[index].pending = nil
    }

    /// Refuses a connection that gets no place.
    private mutating func turnAway(_ socket: consuming Descriptor, _ pid: Int32, _ uid: UInt32) {
        self.reply.begin(.tooMany, tag: TextBuffer<8>().storage.span.extracting(first: 0))
        self.reply.append("text", "too many connections of this user that hold something")
        let text = self.reply.text
        _ = socket.send(text.storage.span.extracting(first: text.count), InlineArray(repeating: -1), count: 0)
        var line = AuditLine("connect")
        line.add("verdict", "refused")
        line.add("uid", Int(uid))
        line.add("pid", Int(pid))
        self.audit.write(refusal: line, now: self.now)
    }

    /// Where descriptors have run out: one is kept for this, so that who waits is told and does not spin.
    private mutating func refuseForWantOfDescriptors() {
        self.reserve = Descriptor(owning: -1)
        var error: Int32 = 0
        if let socket = self.control.listener.acceptPeer(&error), let (pid, uid, _) = socket.peerCredentials() {
            self.turnAway(socket, pid, uid)
        }
        self.reserve = openReserve()
    }

    /// Ends a connection, and with it its leases.
    mutating func close(_ index: Int) {
        let names = self.leases.release(.max, of: index)
        if names != 0 {
            var line = self.auditLine("end-of-lease", index)
            self.addNames(names, to: &line)
            self.audit.write(line)
            self.leasesEnded(names)
        }
        self.peers[index].socket = Descriptor(owning: -1)
        self.peers[index].barrier = Descriptor(owning: -1)
        self.peers[index].pending = nil
        self.peers[index].mayStore = false
        self.admission.leave(index)
    }

    /// Reads one request, and answers it or puts it by.
    mutating func receive(from index: Int) {
        var bytes = InlineArray<4097, UInt8>(repeating: 0)
        var received = self.peers[index].socket.receive(into: &bytes, room: self.peers[index].mayStore ? 8 : 0)
        if received.count == -Int(EAGAIN) || received.count == -Int(EINTR) { return }
        guard received.count > 0 else { return self.close(index) }
        guard !received.isMalformed, received.count <= Packet.maxRequest else {
            return self.closeForViolation(index, "cut off, too long, or with descriptors that nobody wants")
        }
        let text = bytes.span.extracting(first: received.count)
        let request: Request
        do throws(RequestError) {
            request = try Request(text)
        } catch {
            guard let code = error.code else { return self.closeForViolation(index, error.text) }
            self.peers[index].hasSpoken = true
            var tag = TextBuffer<8>()
            tag.append(text, error.tag)
            return self.refuse(index, code, error.text, tag: tag)
        }
        guard received.descriptors.count == 0 || request.verb == .store else {
            return self.closeForViolation(index, "descriptors with a request that takes none")
        }
        self.peers[index].hasSpoken = true
        var tag = TextBuffer<8>()
        tag.append(text, request.tag)
        // The uid that connected is the effective one, the one that sends the real one: in a set-id program they differ,
        // and in a process that was handed the connection, too.
        guard received.sender == self.peers[index].uid else {
            return self.refuse(
                index, .denied, "the process that asks is another user's than the one that connected", tag: tag)
        }
        // (Without this one connection could have any number of grants on their way.)
        guard !self.peers[index].socket.hasUnread() else {
            return self.refuse(index, .tooMany, "the reply to the last request has not been read", tag: tag)
        }
        self.peers[index].unreadDescriptors = 0
        self.answer(index, request, text, tag, self.identity(of: index), &received.descriptors)
    }

    /// Who connected.
    func identity(of index: Int) -> Identity {
        var identity = Identity(uid: self.peers[index].uid, gid: self.peers[index].gid)
        self.peers[index].socket.addPeerGroups(to: &identity)
        return identity
    }

    private mutating func closeForViolation(_ index: Int, _ reason: StaticString) {
        var line = self.auditLine("violation", index)
        line.add("reason") { $0.append(quoted: reason) }
        self.audit.write(refusal: line, now: self.now)
        self.close(index)
    }

    /// Begins the reply to a request.
    mutating func beginReply(_ code: ReplyCode, _ tag: TextBuffer<8>) {
        self.reply.begin(code, tag: tag.storage.span.extracting(first: tag.count))
    }

    /// Sends the reply that was written; who does not read is gone.
    mutating func sendReply(
        to index: Int, _ descriptors: InlineArray<64, Int32> = InlineArray(repeating: -1), count: Int = 0
    ) -> Int32 {
        let error = self.peers[index].socket.send(
            self.reply.text.storage.span.extracting(first: self.reply.text.count), descriptors, count: count)
        if error == EAGAIN || error == EPIPE || error == ECONNRESET { self.close(index) }
        return error
    }

    /// Answers with a refusal, and writes it to the log.
    mutating func refuse(_ index: Int, _ code: ReplyCode, _ reason: StaticString, tag: TextBuffer<8>) {
        self.beginReply(code, tag)
        self.reply.append("text", reason)
        if code == .version { self.reply.append("versions", "1") }
        self.sendRefusal(index, code, reason)
    }

    /// Answers with a refusal that is about a name, and writes it to the log.
    mutating func refuse(
        _ index: Int, _ code: ReplyCode, _ reason: StaticString, _ name: TextBuffer<64>, tag: TextBuffer<8>
    ) {
        let uid = Int(self.peers[index].uid)
        self.beginReply(code, tag)
        self.reply.append("text") {
            $0.append(quoted: name.storage.span, TextRange(0, name.count))
            $0.append(": ")
            if code == .denied {
                $0.append("uid ")
                $0.append(decimal: uid)
                $0.append(" ")
            }
            $0.append(reason)
        }
        self.sendRefusal(index, code, reason, name)
    }

    private mutating func sendRefusal(
        _ index: Int, _ code: ReplyCode, _ reason: StaticString, _ name: TextBuffer<64> = TextBuffer()
    ) {
        var line = self.auditLine("refusal", index)
        line.add("code", Int(code.rawValue))
        if name.count > 0 { line.add("name") { $0.append(name) } }
        line.add("reason") { $0.append(quoted: reason) }
        self.audit.write(refusal: line, now: self.now)
        _ = self.sendReply(to: index)
    }

    /// A line about a connection.
    func auditLine(_ event: StaticString, _ index: Int) -> AuditLine {
        var line = AuditLine(event)
        line.add("uid", Int(self.peers[index].uid))
        line.add("pid", Int(self.peers[index].pid))
        return line
    }

    /// Writes ` names=…`, with commas between them.
    mutating func addNames(_ names: UInt64, to line: inout AuditLine) {
        line.add("names") {
            var isFirst = true
            for slot in 0..<64 where names & 1 << slot != 0 {
                if !isFirst { $0.append(",") }
                isFirst = false
                $0.append(self.policy.name(slot))
            }
        }
    }

    /// Writes ` holders=UID:PID,…` for who holds the name in a slot, 8 of them at most.
    mutating func addHolders(of slot: Int, to line: inout AuditLine) {
        line.add("holders") {
            var count = 0
            for index in 0..<Leases.maxPeers where self.leases.names(of: index) & 1 << slot != 0 && count < 8 {
                if count > 0 { $0.append(",") }
                count += 1
                $0.append(decimal: Int(self.peers[index].uid))
                $0.append(":")
                $0.append(decimal: Int(self.peers[index].pid))
            }
            if count == 0 { $0.append("none") }
        }
    }
}

extension TextBuffer {
    /// Writes a literal between quotes.
    mutating func append(quoted text: StaticString) {
        self.append("\"")
        self.append(text)
        self.append("\"")
    }
}
