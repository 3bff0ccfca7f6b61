internal import CPosternSys

extension Arguments {
    /// Calls `body` with the whole of an argument.
    func withBytes(_ index: Int, _ body: (Span<UInt8>) throws(Failure) -> Void) throws(Failure) {
        guard index < self.count, let argument = unsafe self.vector?[index] else { return }
        try body(
            unsafe Span(
                _unsafeStart: UnsafeRawPointer(argument).assumingMemoryBound(to: UInt8.self), count: strlen(argument)))
    }

    /// Becomes COMMAND, with the texts in place of the ARGs that have placeholders; returns only by failing.
    @inline(never)
    func execute(_ options: Options, replacing texts: borrowing TextBuffer<65536>) throws(Failure) {
        try unsafe texts.storage.span.withUnsafeBytes { bytes throws(Failure) in
            var next = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress
            for index in (options.command + 1)..<self.count {
                var hasPlaceholder = false
                try self.withBytes(index) { hasPlaceholder = PlaceholderReader.first(in: $0) != nil }
                guard hasPlaceholder, let text = unsafe next else { continue }
                // The vector is this process's own, and exec only reads it.
                unsafe self.vector?[index] = unsafe UnsafeMutablePointer(mutating: text)
                unsafe next = unsafe text + strlen(text) + 1
            }
            try self.execute(options.command)
        }
    }
}
