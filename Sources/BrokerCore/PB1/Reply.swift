/// A PB1 reply that carries descriptors, being written: `PB1 200 OK TAG`, `fds=`, then one line a descriptor.
package struct Reply: Sendable {
    /// The text so far; PB1 allows 16384 bytes, and 64 descriptors of the longest names and sockets stay below.
    package private(set) var text = TextBuffer<16384>()
    private var count = 0

    /// Writes the first two lines, for `count` descriptors.
    package init(tag: StaticString, descriptors count: Int) {
        self.text.append("PB1 200 OK ")
        self.text.append(tag)
        self.text.append("\nfds=")
        self.text.append(decimal: count)
        self.text.append("\n")
    }

    /// Writes the next descriptor's line: `fd.0=NAME tcp ADDRESS:PORT`, with `v6only` and `device=` where it has them.
    package mutating func append(_ entry: PolicyEntry, in policy: Span<UInt8>) {
        self.text.append("fd.")
        self.text.append(decimal: self.count)
        self.text.append("=")
        self.text.append(policy, entry.name)
        self.text.append(" ")
        entry.appendSpec(to: &self.text, in: policy)
        self.text.append("\n")
        self.count += 1
    }
}
