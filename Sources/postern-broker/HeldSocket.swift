/// A listener that the broker holds under a name.
struct HeldSocket: ~Copyable {
    /// The listener; negative where there is none.
    var descriptor: Descriptor
    /// Which of the name's lines it is for.
    var line: Int
    /// AF_INET or AF_INET6, as it was when it came.
    var family: Int32?
    /// A holder made it unusable, and it could not be healed.
    var isSpoiled = false
    /// When a hang-up of it is heeded again. Who spoils it again and again has it healed at once eight times, then no
    /// more than 20 times a second.
    var nextLook = 0
    private var quickLooks = 8

    /// Counts a look that found something, at a time in milliseconds.
    mutating func countLook(now: Int) {
        // (A second of quiet gives the eight back.)
        if now - self.nextLook > 1000 { self.quickLooks = 8 }
        self.quickLooks -= 1
        self.nextLook = self.quickLooks > 0 ? now : now + 50
    }

    /// Makes the place of a line's listener; of none, without a descriptor.
    init(_ descriptor: consuming Descriptor = Descriptor(owning: -1), line: Int = 0) {
        self.descriptor = descriptor
        self.line = line
    }

    /// Whether there is a listener.
    var isHere: Bool { self.descriptor.rawValue >= 0 }
}

/// What the manager handed over, with the name that it has there, until a policy says what it is.
struct InheritedSockets: ~Copyable {
    /// A descriptor and its name.
    struct Entry: ~Copyable {
        var descriptor = Descriptor(owning: -1)
        var name = TextBuffer<64>()

        /// Whether nobody has taken it yet.
        var isHere: Bool { self.descriptor.rawValue >= 0 }
    }

    /// 512 listeners, the control socket, the state, and some that the policy does not know any more.
    static var capacity: Int { 640 }

    var entries = InlineArray<640, Entry> { _ in Entry() }
    private(set) var count = 0
    /// How many there was no room for; they were closed.
    private(set) var surplus = 0

    /// Takes one more.
    mutating func append(_ descriptor: consuming Descriptor, name: Span<UInt8>) {
        guard self.count < Self.capacity else {
            self.surplus += 1
            return
        }
        var text = TextBuffer<64>()
        text.append(name, TextRange(0, name.count))
        self.entries[self.count] = Entry(descriptor: descriptor, name: text)
        self.count += 1
    }

    /// Takes out the first of that name; a negative descriptor if there is none.
    mutating func take(_ name: StaticString) -> Descriptor {
        for index in 0..<self.count {
            let text = self.entries[index].name
            if text.storage.span.holds(name, at: TextRange(0, text.count)), self.entries[index].isHere {
                return self.take(index)
            }
        }
        return Descriptor(owning: -1)
    }

    /// Takes one out; a negative descriptor if it was taken before.
    mutating func take(_ index: Int) -> Descriptor { self.entries[index].descriptor.take() }
}
