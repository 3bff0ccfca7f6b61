internal import CPosternSys

/// postern-exec: starts any program with its listeners, in the dialect that it speaks.
@c(postern_exec_main)
public func execMain(_ count: CInt, _ vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    writeOutput("postern-exec 0.1.0\n")
    return 0
}
