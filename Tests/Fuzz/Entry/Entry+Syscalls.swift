/// What libFuzzer calls with each input. A property that does not hold is a crash, whose input it writes to a file.
@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let bytes = unsafe bytes else {
        check([])
        return 0
    }
    unsafe check(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

/// Ends the process, with the place and the reason, unless `condition` holds. (Optimised, precondition(_:_:) is silent.)
func require(
    _ condition: @autoclosure () -> Bool, _ reason: String = "a property does not hold", file: StaticString = #file,
    line: UInt = #line
) {
    if !condition() { fatalError(reason, file: file, line: line) }
}
