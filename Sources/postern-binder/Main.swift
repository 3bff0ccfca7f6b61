internal import CCap
internal import CPosternSys

/// postern-binder: binds what the policy lets its caller have, drops every privilege, hands the listeners over.
@c(postern_binder_main)
public func binderMain(_ count: CInt, _ vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    do throws(Failure) {
        try run(unsafe Arguments(count: count, vector: vector))
        return 0
    } catch {
        return CInt(error.status.rawValue)
    }
}

/// The order of every run. Each step relies on those before it: none may be moved.
private func run(_ arguments: Arguments) throws(Failure) {
    // 1. Make the process sane.
    try protectProcess()
    let options = try Options(arguments)
    if case .print(let text) = options.action { return writeOutput(text) }
    var caller = try Caller(keeping: options.peer)
    if let peer = options.peer { try checkPeer(peer) }
    try Capabilities.lower()
    try bindAndHandOver(options, arguments, &caller)
}

/// Steps 2 to 6; a function of its own, since its buffers want more stack than a hostile caller may have left.
@inline(never)
private func bindAndHandOver(
    _ options: Options, _ arguments: Arguments, _ caller: inout Caller
) throws(Failure) {
    // 2. Read the policy, and ask it about the caller; as root, about the user to become.
    let identity = try policyIdentity(options, arguments)
    let user = getuid() == 0 ? identity : nil
    var buffer = TextBuffer<65537>()
    try readPolicy(at: PolicyFile.standard, into: &buffer)
    let policy = buffer.storage.span.extracting(first: buffer.count)
    let count = try checkPermission(options, arguments, identity, policy)

    // 3. Bind and listen, with one capability effective for that long.
    var batch = Batch(count: count)
    try batch.bind(options, arguments, policy)

    // 4. Drop. First back to the caller's folder, where root's capabilities may have let it in, and nothing else will.
    if user != nil { try Capabilities.lower(to: 1 << UInt64(CAP_DAC_OVERRIDE) | 1 << UInt64(CAP_DAC_READ_SEARCH)) }
    try caller.restoreFolder()
    try drop(to: user, allowingNewPrivileges: options.isExecuting)

    // 5. Verify.
    try verifyDrop(to: user, allowingNewPrivileges: options.isExecuting)

    // 6. Hand over.
    switch options.action {
    case .send(let peer): try batch.send(on: peer)
    case .store: try batch.store(options, arguments, policy)
    case .execute(let index): try batch.execute(arguments, index, caller)
    case .print: break
    }
}
