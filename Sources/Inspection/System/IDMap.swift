internal import BrokerCore

/// Which numbers a user namespace knows: /proc/self/uid_map, user_namespaces(7).
package struct IDMap: Equatable, Sendable {
    /// Some numbers in a row.
    package struct Extent: Equatable, Sendable {
        /// The first number in here.
        package var inside: UInt32
        /// The number that it is in the parent namespace.
        package var outside: UInt32
        /// How many there are.
        package var count: UInt32

        /// Makes an extent.
        package init(inside: UInt32, outside: UInt32, count: UInt32) {
            (self.inside, self.outside, self.count) = (inside, outside, count)
        }
    }

    /// Every extent, in the file's order.
    package var extents: [Extent]

    /// Reads the file: three numbers a line, with spaces before and between them; nil if it is none.
    package init?(reading text: [UInt8]) {
        self.extents = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let numbers = line.split(separator: UInt8(ascii: " ")).map { UInt32(String(decoding: $0, as: UTF8.self)) }
            guard numbers.count == 3, let inside = numbers[0], let outside = numbers[1], let count = numbers[2] else {
                return nil
            }
            self.extents.append(Extent(inside: inside, outside: outside, count: count))
        }
    }

    /// Whether every number is itself, as in the initial namespace. (One that maps all of it looks the same, and counts
    /// the same here.)
    package var isIdentity: Bool {
        self.extents == [Extent(inside: 0, outside: 0, count: .max)]
    }

    /// What `number` is in the parent namespace; nil if it is nobody there.
    package func outside(_ number: UInt32) -> UInt32? {
        for extent in self.extents where number >= extent.inside && number - extent.inside < extent.count {
            return extent.outside + (number - extent.inside)
        }
        return nil
    }
}
