internal import CPosternSys

/// postern-broker: holds listeners while programs come and go.
@c(postern_broker_main)
public func brokerMain(_ count: CInt, _ vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    writeOutput("postern-broker 0.1.0\n")
    return 0
}
