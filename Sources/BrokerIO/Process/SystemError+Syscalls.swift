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
    @inline(never)
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
    @inline(never)
    @unsafe package mutating func append(cString: UnsafePointer<CChar>) {
        var next = unsafe cString
        while case let character = unsafe UInt8(bitPattern: next.pointee), character != 0 {
            self.append(character)
            unsafe next += 1
        }
    }

    /// Begins a message with the name under which the program was started, as the kernel keeps it (15 bytes): argv may
    /// be empty.
    @inline(never)
    mutating func begin() {
        var name = InlineArray<17, UInt8>(repeating: 0)
        _ = unsafe withUnsafeMutableBytes(of: &name) { unsafe cpostern_get_name($0.baseAddress) }
        for index in 0..<name.count where 0x21...0x7E ~= name[index] { self.append(name[index]) }
        self.append(": ")
    }

    /// Ends a message, and writes it to standard error in one write; gives it up where nobody reads for `milliseconds`.
    @inline(never)
    mutating func end(milliseconds: Int32 = 1000) {
        self.endLine()
        // There is nobody left to tell of a failure here; the exit status says it, too.
        var output = pollfd(fd: 2, events: Int16(POLLOUT), revents: 0)
        var ready = unsafe poll(&output, 1, milliseconds)
        // (A timer that interrupts every millisecond must not make it for ever.)
        for _ in 0..<1000 where ready < 0 && cpostern_errno() == EINTR { ready = unsafe poll(&output, 1, milliseconds) }
        guard ready > 0 else { return }
        _ = unsafe self.storage.span.withUnsafeBytes { unsafe write(2, $0.baseAddress, self.count) }
    }
}
