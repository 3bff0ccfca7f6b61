internal import CPosternSys

/// Who the policy is asked about: the caller's real uid, gid and supplementary groups; as root, the user of `--user`.
func policyIdentity(_ options: Options, _ arguments: Arguments) throws(Failure) -> Identity {
    guard getuid() == 0 else {
        guard options.user == nil else { throw Failure(.usage, "--user is for root (see --help)") }
        return try callerIdentity()
    }
    guard let index = options.user else { throw Failure(.usage, "started as root, it needs --user USER (see --help)") }
    return try userIdentity(arguments.text(index))
}

/// Checks the policy whole, and that `identity` may bind each NAME, or store it; returns how many sockets that makes.
///
/// A name on several lines is several sockets: whoever wants it needs the right on each of them.
func checkPermission(
    _ options: Options, _ arguments: Arguments, _ identity: Identity, _ policy: Span<UInt8>
) throws(Failure) -> Int {
    var count = 0
    var found = InlineArray<32, Bool>(repeating: false)
    var parser = PolicyParser()
    while let entry = try nextEntry(&parser, policy, PolicyFile.standard) {
        guard let place = options.place(of: entry.name, policy, arguments) else { continue }
        found[place] = true
        count += entry.socket.descriptorCount
        guard try isPermitted(options.isStoring ? .store : .bind, entry, identity, policy) else {
            throw Failure(.permission) {
                $0.append(quoted: policy, entry.name)
                $0.append(": uid ")
                $0.append(decimal: Int(identity.uid))
                $0.append(options.isStoring ? " may not store it" : " may not bind it")
                $0.append("; who may is said in /etc/postern/sockets.conf (")
                $0.append(options.isStoring ? "store=USER,@GROUP)" : "bind=USER,@GROUP)")
            }
        }
    }
    for place in 0..<options.nameCount where !found[place] {
        throw Failure(.configuration) {
            let name = arguments.text(options.names[place])
            $0.append(quoted: name.storage.span, TextRange(0, name.count))
            $0.append(": no such name in /etc/postern/sockets.conf")
        }
    }
    guard count <= DescriptorList.capacity else { throw Failure(.usage, "more than 64 sockets at once") }
    return count
}
