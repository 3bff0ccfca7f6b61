// Deviates: unsafe code outside a `+Syscalls` file. StaticString gives its bytes out by pointer only, and String does
// not compile under -no-allocations. The literals here are UTF-8 with static life; the index is bounded by their length.

extension StaticString {
    /// Calls `body` with each byte of the literal and its index.
    package func forEachByte(_ body: (Int, UInt8) -> Void) {
        for index in 0..<self.utf8CodeUnitCount {
            body(index, unsafe self.utf8Start[index])
        }
    }
}
