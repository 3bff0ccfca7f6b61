import Resolver

/// What this machine itself says of names and of whom to ask: /etc/hosts and /etc/resolv.conf, read again when they change.
struct NameFiles {
    private var hosts = HostsFile()
    private var hostsStamp: FileStamp?
    private var resolver = ResolverFile()
    private var resolverStamp: FileStamp?
    private let hostsPath: String
    private let resolverPath: String

    init(hosts: String = "/etc/hosts", resolver: String = "/etc/resolv.conf") {
        self.hostsPath = hosts
        self.resolverPath = resolver
    }

    /// /etc/hosts as it is now.
    mutating func hostsFile() -> HostsFile {
        let stamp = FileStamp(path: self.hostsPath)
        if stamp != self.hostsStamp {
            self.hostsStamp = stamp
            self.hosts = HostsFile(Self.read(self.hostsPath))
        }
        return self.hosts
    }

    /// /etc/resolv.conf as it is now.
    mutating func resolverFile() -> ResolverFile {
        let stamp = FileStamp(path: self.resolverPath)
        if stamp != self.resolverStamp {
            self.resolverStamp = stamp
            self.resolver = ResolverFile(Self.read(self.resolverPath))
        }
        return self.resolver
    }

    /// A file that cannot be read says nothing.
    private static func read(_ path: String) -> [UInt8] { (try? ConfigurationFile.read(path)) ?? [] }
}
