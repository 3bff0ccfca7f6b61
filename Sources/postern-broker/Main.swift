internal import CPosternSys

/// postern-broker: holds listeners while programs come and go, and gives them to whom the policy names.
@c(postern_broker_main)
public func brokerMain(_ count: CInt, _ vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    do throws(Failure) {
        return try run(unsafe Arguments(count: count, vector: vector))
    } catch {
        return CInt(error.status.rawValue)
    }
}

/// The order of every run: what needs files, sockets or the environment comes before the sandbox, requests behind it.
private func run(_ arguments: Arguments) throws(Failure) -> CInt {
    try protectProcess()
    let options = try Options(arguments)
    switch options.action {
    case .print(let text):
        writeOutput(text)
        return 0
    case .showFilter:
        showFilter()
        return 0
    case .serve:
        try refusePrivileges()
        return try serve(options)
    }
}

/// Starts, and serves until it is told to end; a function of its own, since the broker's tables want most of a MiB.
@inline(never)
private func serve(_ options: Options) throws(Failure) -> CInt {
    try prepareProcess()
    var broker = try Broker.make(options)
    try broker.start()
    releaseStack()
    try enterSandbox(policyPath: options.policyPath)
    broker.serve()
    return 0
}
