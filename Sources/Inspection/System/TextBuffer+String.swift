package import BrokerCore

extension String {
    /// The text that was written.
    package init<let size: Int>(_ buffer: TextBuffer<size>) {
        self.init(buffer.storage.span.extracting(first: buffer.count), TextRange(0, buffer.count))
    }

    /// The bytes of `text` at `range`.
    package init(_ text: Span<UInt8>, _ range: TextRange) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        for offset in range.start..<range.end { bytes.append(text[offset]) }
        self.init(decoding: bytes, as: UTF8.self)
    }

    /// What a writer of BrokerIO's writes.
    package init(writing body: (inout TextBuffer<1024>) -> Void) {
        var buffer = TextBuffer<1024>()
        body(&buffer)
        self.init(buffer)
    }
}
