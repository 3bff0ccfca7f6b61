extension MessageReceiver {
    /// The longest run that ``next(_:rewriting:)`` copies.
    public static let longestCopy = 512
    /// The room that it needs, or it does nothing.
    public static let leastRoom = 2 * MessageReceiver.longestCopy

    /// Does what ``next(_:)`` says for as long as that is small: a message whose every octet has to be looked at would cost
    /// its caller a step each.
    ///
    /// Octets to be handed on are appended to `output`; those of a long run are not.
    ///
    /// - Returns: how many octets of `input` were taken, and the step that is the caller's to do; nil where `output` has no
    ///   room for another.
    public mutating func next(
        _ input: Span<UInt8>, rewriting output: inout OutputRawSpan
    ) -> (consumed: Int, step: Step?) {
        var consumed = 0
        while output.freeCapacity >= Self.leastRoom {
            let rest = input.extracting(consumed..<input.count)
            switch self.next(rest) {
            case .pass(let count) where count <= Self.longestCopy:
                for index in 0..<count { output.append(rest[index]) }
                consumed += count
            case .write(let replacement, let count):
                for octet in replacement.rawValue.utf8 { output.append(octet) }
                consumed += count
            case .discard(let count):
                consumed += count
            case let step:
                return (consumed, step)
            }
        }
        return (consumed, nil)
    }
}
