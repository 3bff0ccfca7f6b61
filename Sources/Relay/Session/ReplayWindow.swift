package import NIOCore
import Synchronization

/// What all sessions together keep of their messages, in octets of memory.
package final class ReplayBudget: Sendable {
    private let used = Atomic<Int>(0)

    /// Makes a budget of which nothing is used.
    package init() {}

    /// How much is used.
    package var octets: Int { self.used.load(ordering: .relaxed) }

    /// Takes so much of it; false, and nothing is taken, where there would be more than `limit` then.
    func take(_ octets: Int, limit: Int) -> Bool {
        guard self.used.add(octets, ordering: .relaxed).newValue > limit else { return true }
        self.giveBack(octets)
        return false
    }

    func giveBack(_ octets: Int) {
        self.used.subtract(octets, ordering: .relaxed)
    }
}

/// What was sent of one message, as long as it is short enough to be sent once more.
///
/// ```text
/// closed  --open-->  open  --append (beyond a limit)-->  closed
///                    open  --close (the dot is sent)-->  closed
/// ```
///
/// Nothing is copied where a buffer is well filled; of one that is not, a copy is kept, so that a few octets do not hold
/// all that was allocated for a read. What counts is the memory that is held.
package struct ReplayWindow {
    /// The memory that is taken of the budget at one time: a short message takes it once.
    package static let step = 16 << 10
    /// What a buffer costs beside its octets.
    private static let overhead = 64

    private let budget: ReplayBudget
    private var buffers: [ByteBuffer] = []
    /// Copies of what came in buffers too large for it; behind `buffers`.
    private var copies = ByteBuffer()
    private var limit = 0
    private var total = 0
    private var reserved = 0
    /// The memory that is held.
    package private(set) var memory = 0
    /// How many octets there are.
    package private(set) var count = 0
    /// Whether all that was appended since it was opened is there.
    package private(set) var isOpen = false

    /// Makes a window that is closed.
    package init(_ budget: ReplayBudget) {
        self.budget = budget
    }

    /// A message begins.
    ///
    /// - Parameters:
    ///   - limit: the most octets; 0: the window stays closed.
    ///   - total: the most memory of all windows together.
    package mutating func open(limit: Int, total: Int) {
        self.close()
        guard limit > 0 else { return }
        self.limit = limit
        self.total = total
        self.isOpen = true
    }

    /// Keeps octets; closes where they are too many.
    ///
    /// - Parameter isHeld: they are not sent yet, and must not be lost, whatever the limit says.
    package mutating func append(_ octets: ByteBuffer, isHeld: Bool = false) {
        guard self.isOpen, octets.readableBytes > 0 else { return }
        let count = self.count + octets.readableBytes
        guard isHeld || count <= self.limit else { return self.close() }
        self.count = count
        if 2 * octets.readableBytes >= octets.storageCapacity {
            self.keepCopies()
            self.buffers.append(octets)
            self.memory += octets.storageCapacity + Self.overhead
        } else {
            let before = self.copies.storageCapacity
            self.copies.writeImmutableBuffer(octets)
            self.memory += self.copies.storageCapacity - before
        }
        guard self.memory > self.reserved else { return }
        let more = (self.memory - self.reserved + Self.step - 1) / Self.step * Self.step
        if self.budget.take(more, limit: isHeld ? .max : self.total) {
            self.reserved += more
        } else {
            self.close()
        }
    }

    /// Calls `body` with what was kept, in order.
    package func forEach(_ body: (ByteBuffer) -> Void) {
        for buffer in self.buffers { body(buffer) }
        if self.copies.readableBytes > 0 { body(self.copies) }
    }

    /// What was held has been sent: the limit counts again.
    package mutating func sent() {
        if self.count > self.limit { self.close() }
    }

    /// Forgets everything.
    package mutating func close() {
        guard self.isOpen else { return }
        self.isOpen = false
        self.buffers.removeAll(keepingCapacity: self.buffers.count <= 8)
        self.copies = ByteBuffer()
        self.count = 0
        self.memory = 0
        if self.reserved > 0 { self.budget.giveBack(self.reserved) }
        self.reserved = 0
    }

    private mutating func keepCopies() {
        guard self.copies.readableBytes > 0 else { return }
        self.buffers.append(self.copies)
        self.memory += Self.overhead
        self.copies = ByteBuffer()
    }
}
