internal import BrokerIO
internal import CPosternSys

/// What this kernel can do, each asked for by the call itself: a version says little (backports, containers, filters).
package struct KernelFeatures: Equatable, Sendable {
    /// `uname -r`, to be printed and nothing else.
    package var release: String?
    /// Whether file capabilities count: there are capabilities, and no_file_caps is not on the kernel's command line.
    package var hasFileCapabilities: Bool?
    /// Whether seccomp filters can be installed.
    package var hasSeccomp: Bool
    /// Landlock's ABI; 0 where there is none.
    package var landlock: Int
    /// Whether a pidfd has an inode number of its own (6.9).
    package var hasPidfdInode: Bool
    /// Whether a socket can refuse descriptors, SO_PASSRIGHTS (6.16).
    package var hasPassRights: Bool
    /// close_range(2) (5.9).
    package var hasCloseRange: Bool
    /// SO_PEERPIDFD (6.5).
    package var hasPeerPidfd: Bool
    /// net.ipv4.tcp_migrate_req (5.14); nil where there is none.
    package var tcpMigrate: Int?

    /// Makes a set of features.
    package init(
        release: String?, hasFileCapabilities: Bool?, hasSeccomp: Bool, landlock: Int, hasPidfdInode: Bool,
        hasPassRights: Bool, hasCloseRange: Bool, hasPeerPidfd: Bool, tcpMigrate: Int?
    ) {
        self.release = release
        self.hasFileCapabilities = hasFileCapabilities
        self.hasSeccomp = hasSeccomp
        self.landlock = landlock
        self.hasPidfdInode = hasPidfdInode
        self.hasPassRights = hasPassRights
        self.hasCloseRange = hasCloseRange
        self.hasPeerPidfd = hasPeerPidfd
        self.tcpMigrate = tcpMigrate
    }

    /// Asks the kernel.
    static func probe() -> KernelFeatures {
        let release = try? Files.read("/proc/sys/kernel/osrelease").get()
        return KernelFeatures(
            release: release.map { String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self) },
            hasFileCapabilities: self.fileCapabilities(),
            // Without a filter to read: EFAULT where filters are known, EINVAL where they are not.
            hasSeccomp: cpostern_prctl(PR_SET_SECCOMP, 2, 0) < 0 && cpostern_errno() == EFAULT,
            // (landlock_create_ruleset is 444 everywhere; 1 is LANDLOCK_CREATE_RULESET_VERSION.)
            landlock: max(0, cpostern_syscall(444, 0, 0, 1, 0, 0)),
            hasPidfdInode: cpostern_own_pidfd_inode() != 0,
            hasPassRights: self.hasOption(83),
            // (No descriptor has this number.)
            hasCloseRange: cpostern_close_range(.max, .max, 0) == 0,
            hasPeerPidfd: self.peerPidfd(),
            tcpMigrate: try? Files.number("/proc/sys/net/ipv4/tcp_migrate_req").get())
    }

    private static func fileCapabilities() -> Bool? {
        guard case .success = Files.number("/proc/sys/kernel/cap_last_cap"),
            case .success(let line) = Files.read("/proc/cmdline")
        else { return nil }
        return !line.split(separator: UInt8(ascii: " ")).contains { $0.starts(with: Array("no_file_caps".utf8)) }
    }

    /// Whether a Unix socket has the option of SOL_SOCKET; 83 is SO_PASSRIGHTS, which old headers do not have.
    private static func hasOption(_ option: Int32) -> Bool {
        let raw = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { return false }
        let socket = Descriptor(owning: raw)
        return (try? socket.option(SOL_SOCKET, option, "getsockopt")) != nil
    }

    /// SO_PEERPIDFD, 77: it gives a descriptor.
    private static func peerPidfd() -> Bool {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { return false }
        let first = Descriptor(owning: ends[0])
        let second = Descriptor(owning: ends[1])
        guard let raw = try? first.option(SOL_SOCKET, 77, "getsockopt") else { return false }
        _ = Descriptor(owning: raw)
        _ = consume second
        return true
    }
}
