internal import CPosternSys

/// A file descriptor that somebody owns: closed when its owner lets go of it.
package struct Descriptor: ~Copyable {
    /// The number; not to be closed, and not to be used once the descriptor is gone. Negative if it was given up.
    package private(set) var rawValue: Int32

    /// Takes ownership of an open descriptor.
    package init(owning rawValue: Int32) {
        self.rawValue = rawValue
    }

    deinit {
        guard self.rawValue >= 0 else { return }
        // close(2) frees the number whatever it returns; there is nobody to tell.
        _ = close(self.rawValue)
    }

    /// Moves the ownership out, and leaves a negative number behind.
    package mutating func take() -> Descriptor {
        let rawValue = self.rawValue
        self.rawValue = -1
        return Descriptor(owning: rawValue)
    }

    /// Gives the ownership up: the caller closes it.
    package consuming func release() -> Int32 {
        let rawValue = self.rawValue
        self.rawValue = -1
        return rawValue
    }
}

/// Up to 64 descriptors, in order, without heap: what one PB1 reply may carry. Owns them and closes them.
package struct DescriptorList: ~Copyable {
    /// The most descriptors.
    package static var capacity: Int { 64 }

    /// The numbers; the first ``count`` are open and the list's own.
    package private(set) var rawValues = InlineArray<64, Int32>(repeating: -1)
    /// How many descriptors the list holds.
    package private(set) var count = 0

    /// Makes an empty list.
    package init() {}

    deinit {
        for index in 0..<self.count { _ = close(self.rawValues[index]) }
    }

    /// Takes ownership of one more; false if the list is full, and then the descriptor is closed.
    package mutating func append(_ descriptor: consuming Descriptor) -> Bool {
        guard self.count < Self.capacity else { return false }
        self.rawValues[self.count] = descriptor.release()
        self.count += 1
        return true
    }

    /// Gives up the first `count`, or as many as there are.
    package mutating func removeFirst(_ count: Int) -> DescriptorList {
        var first = DescriptorList()
        let number = Swift.min(count, self.count)
        for index in 0..<number { _ = first.append(Descriptor(owning: self.rawValues[index])) }
        for index in number..<self.count { self.rawValues[index - number] = self.rawValues[index] }
        self.count -= number
        return first
    }

    /// Gives up the last one; nil if the list is empty.
    package mutating func popLast() -> Descriptor? {
        guard self.count > 0 else { return nil }
        self.count -= 1
        return Descriptor(owning: self.rawValues[self.count])
    }
}

/// A system call that failed.
package struct SystemError: Error {
    /// What was called, and on what: `listen`, `open /dev/null`.
    package var operation: StaticString
    /// The error's number.
    package var errno: Int32

    /// Makes an error of a call that has just failed, with the thread's errno.
    package init(_ operation: StaticString) {
        self.operation = operation
        self.errno = cpostern_errno()
    }

    /// Makes an error of a known number.
    package init(_ operation: StaticString, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }
}
