extension TextBuffer {
    /// Whether the text is exactly these bytes, and whole.
    @inline(never) package func isEqual(to bytes: Span<UInt8>) -> Bool {
        !self.isTruncated && self.storage.span.extracting(first: self.count).isEqual(to: bytes)
    }

    /// Takes everything out, so that the buffer can be used again.
    package mutating func removeAll() {
        for index in 0..<self.count { self.storage[index] = 0 }
        self.count = 0
        self.isTruncated = false
    }
}
