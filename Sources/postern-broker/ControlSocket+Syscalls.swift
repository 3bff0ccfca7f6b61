internal import CPosternSys

/// The socket on which programs connect, and the lock that says that it is ours; the lock is held while this lives.
struct ControlSocket: ~Copyable {
    let listener: Descriptor
    /// Whether the kernel keeps descriptors off that nobody wants (SO_PASSRIGHTS, Linux 6.16).
    let keepsDescriptorsOff: Bool
    private let lock: Descriptor

    /// Takes a socket that the manager made.
    static func adopt(_ listener: consuming Descriptor) throws(Failure) -> ControlSocket {
        let domain = try? listener.option(SOL_SOCKET, SO_DOMAIN, "getsockopt")
        let type = try? listener.option(SOL_SOCKET, SO_TYPE, "getsockopt")
        let isListening = try? listener.option(SOL_SOCKET, SO_ACCEPTCONN, "getsockopt")
        guard domain == AF_UNIX, type == Int32(SOCK_SEQPACKET.rawValue), isListening == 1 else {
            throw Failure(
                .configuration,
                "postern.control: not a listening Unix socket of type SOCK_SEQPACKET (ListenSequentialPacket=)")
        }
        if (try? listener.option(SOL_SOCKET, SO_PASSCRED, "getsockopt")) != 1 {
            // Who sent a request before now shows as nobody, and is refused.
            var line = AuditLine("control-socket")
            line.add("missing", "PassCredentials=yes")
            Audit().write(line)
        }
        let keepsOff = try Self.prepare(listener)
        return ControlSocket(listener: listener, keepsDescriptorsOff: keepsOff, lock: Descriptor(owning: -1))
    }

    /// Makes the socket at a path, whose folder must be root's or this user's own, and writable by nobody else. It
    /// takes the place of a stale one in one step; where a broker is alive, or something else is in the way, it fails.
    static func make(at path: TextBuffer<128>) throws(Failure) -> ControlSocket {
        let bytes = path.storage.span
        var slash = path.count - 1
        while slash > 0, bytes[slash] != UInt8(ascii: "/") { slash -= 1 }
        var folderPath = TextBuffer<128>()
        folderPath.append(bytes, TextRange(0, max(1, slash)))
        var name = TextBuffer<128>()
        name.append(bytes, TextRange(slash + 1, path.count))
        let folder = try Self.openFolder(folderPath)
        // Everything is done by names in the folder that was checked, whatever becomes of its own path.
        guard fchdir(folder.rawValue) == 0 else { throw Self.failure(SystemError("chdir"), folderPath) }
        var lockName = name
        lockName.append(".lock")
        let lock = try Self.takeLock(lockName, path)
        try Self.probe(name, path)
        var newName = name
        newName.append(".new")
        let listener = try Self.makeListener(newName, path)
        let renamed = unsafe newName.withCString { new in
            unsafe name.withCString {
                let here = Int(AT_FDCWD)
                return cpostern_syscall(
                    Int(SYS_renameat), here, Int(bitPattern: new), here, Int(bitPattern: $0), 0)
            }
        }
        guard renamed == 0 else { throw Self.failure(SystemError("rename to"), path) }
        guard unsafe chdir(("/" as StaticString).cString) == 0 else { throw Failure(SystemError("chdir /")) }
        let keepsOff = try Self.prepare(listener)
        return ControlSocket(listener: listener, keepsDescriptorsOff: keepsOff, lock: lock)
    }

    /// Sets what every connection inherits: credentials with each packet, and no descriptors from anybody, which is
    /// lifted for who may store.
    private static func prepare(_ listener: borrowing Descriptor) throws(Failure) -> Bool {
        do throws(SystemError) {
            try listener.setOption(SO_PASSCRED, 1, "setsockopt SO_PASSCRED")
            guard cpostern_fcntl(listener.rawValue, F_SETFL, Int(O_NONBLOCK)) == 0 else {
                throw SystemError("fcntl F_SETFL")
            }
        } catch {
            throw Failure(error)
        }
        // (Before Linux 6.16 there is no such option: what comes unwanted is closed unseen.)
        return (try? listener.setOption(passRightsOption, 0, "setsockopt SO_PASSRIGHTS")) != nil
    }

    private static func openFolder(_ path: TextBuffer<128>) throws(Failure) -> Descriptor {
        let raw = unsafe path.withCString {
            Int(unsafe cpostern_openat(AT_FDCWD, $0, CPOSTERN_O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        }
        guard raw >= 0 else { throw Self.failure(SystemError("open the folder"), path) }
        let folder = Descriptor(owning: Int32(raw))
        var status = stat()
        guard unsafe fstat(folder.rawValue, &status) == 0 else { throw Self.failure(SystemError("stat"), path) }
        guard status.st_uid == 0 || status.st_uid == getuid(), status.st_mode & 0o022 == 0 else {
            throw Failure(.permission) {
                $0.append(path)
                $0.append(": whoever may write here could put a false broker in its place: chown root, chmod go-w")
            }
        }
        return folder
    }

    private static func takeLock(_ name: TextBuffer<128>, _ path: TextBuffer<128>) throws(Failure) -> Descriptor {
        let flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
        let raw = unsafe name.withCString {
            cpostern_syscall(Int(SYS_openat), Int(AT_FDCWD), Int(bitPattern: $0), Int(flags), 0o600, 0)
        }
        guard raw >= 0 else { throw Self.failure(SystemError("make the lock beside"), path) }
        let lock = Descriptor(owning: Int32(raw))
        guard flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            guard cpostern_errno() == EWOULDBLOCK else { throw Self.failure(SystemError("lock"), path) }
            throw Self.inUse(path)
        }
        return lock
    }

    /// Looks at what is at the path: a broker that answers, or something that is no socket, is left alone.
    private static func probe(_ name: TextBuffer<128>, _ path: TextBuffer<128>) throws(Failure) {
        var status = stat()
        let result = unsafe name.withCString { Int(unsafe fstatat(AT_FDCWD, $0, &status, AT_SYMLINK_NOFOLLOW)) }
        guard result == 0 else {
            guard cpostern_errno() == ENOENT else { throw Self.failure(SystemError("stat"), path) }
            return
        }
        guard status.st_mode & UInt32(S_IFMT) == UInt32(S_IFSOCK) else {
            throw Failure(.unavailable) {
                $0.append(path)
                $0.append(": in the way, and no socket: remove it")
            }
        }
        do throws(SystemError) {
            let probe = try BrokerConnection(to: name.storage.span.extracting(first: name.count), milliseconds: 1000)
            _ = consume probe
        } catch {
            guard error.errno != ECONNREFUSED, error.errno != ENOENT else { return }
            // (A full queue, too, is somebody's who lives.)
        }
        throw Self.inUse(path)
    }

    private static func makeListener(_ name: TextBuffer<128>, _ path: TextBuffer<128>) throws(Failure) -> Descriptor {
        guard name.count < 108, !name.isTruncated else {
            throw Failure(.usage, "--socket: too long a name; 103 bytes at most")
        }
        _ = unsafe name.withCString { Int(unsafe unlink($0)) }
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let listener = Descriptor(owning: socket(AF_UNIX, type, 0))
        guard listener.rawValue >= 0 else { throw Failure(SystemError("socket")) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            unsafe name.storage.span.extracting(first: name.count).withUnsafeBytes {
                unsafe target.copyMemory(from: $0)
            }
        }
        // Everybody may connect: the policy decides, name by name.
        let mask = umask(0o111)
        let result = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe cpostern_bind(listener.rawValue, bytes.baseAddress, socklen_t(bytes.count))
        }
        let error = SystemError("bind")
        _ = umask(mask)
        guard result == 0 else { throw Self.failure(error, path) }
        guard listen(listener.rawValue, 1024) == 0 else { throw Self.failure(SystemError("listen"), path) }
        return listener
    }

    private static func inUse(_ path: TextBuffer<128>) -> Failure {
        Failure(.unavailable) {
            $0.append(path)
            $0.append(": another broker serves it; stop that one first")
        }
    }

    private static func failure(_ error: SystemError, _ path: TextBuffer<128>) -> Failure {
        Failure(error.errno == EACCES ? .permission : .system) {
            $0.append(error.operation)
            $0.append(" ")
            $0.append(path)
            $0.append(": ")
            $0.append(errno: error.errno)
            if error.errno == EACCES || error.errno == ENOENT {
                $0.append("; let systemd make the socket (postern-broker.socket), or give this user the folder")
            }
        }
    }
}

/// SO_PASSRIGHTS of Linux 6.16, which Debian 12's headers do not have.
var passRightsOption: Int32 { 83 }

extension TextBuffer {
    /// Calls `body` with the text as C sees it, the storage behind the text being zero, and returns what it returns.
    @unsafe func withCString(_ body: (UnsafePointer<CChar>) -> Int) -> Int {
        unsafe self.storage.span.withUnsafeBytes { bytes in
            guard let base = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return -1 }
            return unsafe body(base)
        }
    }
}

extension Descriptor {
    /// Sets a socket option of SOL_SOCKET, of an integer's size.
    func setOption(_ name: Int32, _ value: Int32, _ operation: StaticString) throws(SystemError) {
        var value = value
        let length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe setsockopt(self.rawValue, SOL_SOCKET, name, &value, length) == 0 else {
            throw SystemError(operation)
        }
    }
}
