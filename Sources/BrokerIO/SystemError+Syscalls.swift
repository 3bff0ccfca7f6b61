internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

extension StaticString {
    /// The literal as C sees it: a pointer to its bytes, which a NUL ends, with static life.
    @unsafe package var cString: UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(self.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

extension TextBuffer {
    /// Writes what an errno means, in English whatever the locale.
    package mutating func append(errno error: Int32) {
        guard error != EADDRINUSE else { return self.append("address in use") }
        guard var text = unsafe cpostern_error_text(error) else { return }
        var isFirst = true
        while case let character = unsafe UInt8(bitPattern: text.pointee), character != 0 {
            let isUpper = UInt8(ascii: "A")...UInt8(ascii: "Z") ~= character
            self.append(isFirst && isUpper ? character | 0x20 : character)
            isFirst = false
            unsafe text += 1
        }
    }

    /// Writes a C string.
    @unsafe package mutating func append(cString: UnsafePointer<CChar>) {
        var next = unsafe cString
        while case let character = unsafe UInt8(bitPattern: next.pointee), character != 0 {
            self.append(character)
            unsafe next += 1
        }
    }
}
