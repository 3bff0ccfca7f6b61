internal import CPosternSys

@c(postern_binder_main)
public func binderMain(_ argc: CInt, _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    return sayHello()
}
