internal import CPosternSys

extension Obtained {
    /// Places the listeners from descriptor 3 up, the lease behind them, and says so in the environment, in every
    /// dialect that was asked for. To be followed by exec.
    consuming func emit() throws(Failure) {
        let count = self.count
        var names = TextBuffer<4160>()
        for place in 0..<self.options.nameCount {
            let name = self.options.name(place, self.arguments)
            for _ in 0..<self.counts[place] {
                if names.count > 0 { names.append(":") }
                names.append(name)
            }
        }
        do throws(SystemError) {
            // Before the listeners are placed: the lease's number could be one of theirs.
            let lease = try self.moveLease(behind: count)
            try ListenFDs.emit(self.takeInOrder(), names: names)
            if let lease {
                guard cpostern_fcntl(lease, F_SETFD, 0) == 0 else { throw SystemError("fcntl F_SETFD") }
                var number = TextBuffer<16>()
                number.append(decimal: Int(lease))
                try setVariable("POSTERN_LEASE_FD", number)
            } else {
                // An inherited one would be somebody else's, and its descriptor is closed.
                _ = unsafe unsetenv(("POSTERN_LEASE_FD" as StaticString).cString)
            }
            if self.options.speaksNginx {
                var numbers = TextBuffer<512>()
                for number in 3..<3 + count {
                    // nginx leaves a listener that it inherits as it is, and accepts without asking poll(2) again: of
                    // two workers that a connection wakes the second would wait in accept(2), deaf to everything.
                    let flags = cpostern_fcntl(Int32(number), F_GETFL, 0)
                    guard flags >= 0, cpostern_fcntl(Int32(number), F_SETFL, Int(flags | O_NONBLOCK)) == 0 else {
                        throw SystemError("fcntl F_SETFL")
                    }
                    numbers.append(decimal: number)
                    numbers.append(";")
                }
                try setVariable("NGINX", numbers)
            }
            if self.options.speaksStdin, dup2(3, 0) < 0 { throw SystemError("dup2") }
        } catch {
            throw Failure(error)
        }
    }

    /// Moves the lease to a number that none of `count` listeners gets. COMMAND owns it from the exec on.
    private mutating func moveLease(behind count: Int) throws(SystemError) -> Int32? {
        guard let lease = self.lease.take() else { return nil }
        let moved = cpostern_fcntl(lease.rawValue, F_DUPFD_CLOEXEC, 3 + count)
        guard moved >= 0 else { throw SystemError("fcntl F_DUPFD_CLOEXEC") }
        return moved
    }
}

/// Where the broker is: POSTERN_BROKER in the environment, or its own place.
func brokerPath() -> TextBuffer<128> {
    var path = TextBuffer<128>()
    if let own = unsafe cpostern_secure_getenv(("POSTERN_BROKER" as StaticString).cString) {
        unsafe path.append(cString: own)
    }
    if path.count == 0 { path.append(BrokerConnection.defaultPath) }
    return path
}
