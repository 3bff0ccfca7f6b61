internal import BrokerCore

extension Doctor {
    /// Every socket of this network namespace that has a port; without IPv6 there are two files less.
    static func boundSockets() -> Result<[BoundSocket], Unreadable> {
        var sockets: [BoundSocket] = []
        for (file, transport, isRequired) in [
            ("tcp", .tcp, true), ("tcp6", .tcp, false), ("udp", .udp, true), ("udp6", .udp, false),
        ] as [(String, Transport, Bool)] {
            switch Files.read("/proc/net/\(file)") {
            case .success(let text): sockets += BoundSocket.read(text, transport)
            case .failure(let error) where isRequired || !error.isMissing: return .failure(error)
            case .failure: break
            }
        }
        return .success(sockets)
    }

    /// Which processes have descriptors of these inodes, as far as this process may look.
    static func holders(of inodes: Set<UInt64>) -> [UInt64: [Holder]] {
        guard !inodes.isEmpty, case .success(let names) = Files.names(in: "/proc") else { return [:] }
        let wanted = Dictionary(uniqueKeysWithValues: inodes.map { ("socket:[\($0)]", $0) })
        var holders: [UInt64: [Holder]] = [:]
        for pid in names.compactMap({ Int($0) }).sorted() {
            guard case .success(let descriptors) = Files.names(in: "/proc/\(pid)/fd") else { continue }
            let held = Set(descriptors.compactMap { Files.link("/proc/\(pid)/fd/\($0)").flatMap { wanted[$0] } })
            // (A process that has ended meanwhile holds nothing.)
            guard !held.isEmpty, case .success(let text) = Files.read("/proc/\(pid)/status") else { continue }
            let status = ProcessStatus(reading: text)
            let holder = Holder(pid: pid, program: status.name ?? "?", uid: status.uid)
            for inode in held { holders[inode, default: []].append(holder) }
        }
        return holders
    }
}
