// Looks at sixteen octets at a time. This file is an exception to the rule that unsafe code is in files of system calls
// and descriptors: a vector is loaded from where octets happen to stand, which Swift calls unsafe, since it checks neither
// alignment (any will do) nor the type (every sixteen octets are a vector). Nothing else here is; each load is within the
// bounds that the loop around it gives, and no pointer is made.

/// Finds places in a message that need a closer look, or that end lines, many octets at once.
enum LineScan {
    private typealias Octets = SIMD16<UInt8>
    private typealias Mask = SIMDMask<SIMD16<Int8>>
    private static let width = 16

    /// Where the first octet from `start` on is that, with the one behind it, is not the usual; at most the last octet of
    /// `input`, behind which nothing is known.
    ///
    /// The usual is: a CR has a LF behind it and every LF has a CR before it, no LF has a dot behind it, and no octet is
    /// NUL. For the octet at `start` itself the caller knows what is before it.
    @inline(__always)
    static func regularRun(_ input: Span<UInt8>, from start: Int) -> Int {
        let octets = unsafe input.bytes
        precondition(start >= 0)
        let last = input.count - 1
        var index = start
        guard index < last, self.isRegular(input[index], input[index + 1]) else { return min(index, max(last, 0)) }
        // Four vectors to one test: mail is regular, and the test costs as much as a vector.
        while index + 4 * self.width < last {
            var least = self.load(octets, index)
            var mask = self.irregularAhead(octets, index, &least)
            mask .|= self.irregularAhead(octets, index + self.width, &least)
            mask .|= self.irregularAhead(octets, index + 2 * self.width, &least)
            mask .|= self.irregularAhead(octets, index + 3 * self.width, &least)
            if self.halves(mask .| (least .== Octets())).any { break }
            index += 4 * self.width
        }
        while index + self.width <= last {
            let halves = self.halves(self.irregular(octets, index))
            if halves.any { return index + halves.first }
            index += self.width
        }
        while index < last, self.isRegular(input[index], input[index + 1]) { index += 1 }
        return index
    }

    /// Where the last LF in `range` is; nil if none is there.
    @inline(__always)
    static func lastLineFeed(in input: Span<UInt8>, _ range: Range<Int>) -> Int? {
        let octets = unsafe input.bytes
        precondition(range.lowerBound >= 0 && range.upperBound <= input.count)
        var end = range.upperBound
        while end - range.lowerBound >= self.width {
            let halves = self.halves(self.load(octets, end - self.width) .== Octets(repeating: lineFeed))
            if halves.any { return end - self.width + halves.last }
            end -= self.width
        }
        while end > range.lowerBound {
            end -= 1
            if input[end] == lineFeed { return end }
        }
        return nil
    }

    /// Where the first LF from `start` on is; nil if none is there.
    static func firstLineFeed(in input: Span<UInt8>, from start: Int) -> Int? {
        let octets = unsafe input.bytes
        precondition(start >= 0)
        var index = start
        while index + self.width <= input.count {
            let halves = self.halves(self.load(octets, index) .== Octets(repeating: lineFeed))
            if halves.any { return index + halves.first }
            index += self.width
        }
        while index < input.count {
            if input[index] == lineFeed { return index }
            index += 1
        }
        return nil
    }

    /// What ``regularRun(_:from:)`` says of one octet and the one behind it.
    @inline(__always)
    static func isRegular(_ octet: UInt8, _ next: UInt8) -> Bool {
        (octet == carriageReturn) == (next == lineFeed) && !(octet == lineFeed && next == dot) && octet != 0
    }

    /// The lanes whose octet, with the one behind it, is not the usual. Reads `width + 1` octets.
    @inline(__always)
    private static func irregular(_ octets: RawSpan, _ index: Int) -> Mask {
        let here = self.load(octets, index)
        let next = self.load(octets, index + 1)
        let ends = (here .== Octets(repeating: carriageReturn)) .^ (next .== Octets(repeating: lineFeed))
        let dots = (here .== Octets(repeating: lineFeed)) .& (next .== Octets(repeating: dot))
        return ends .| dots .| (here .== Octets())
    }

    /// The same, but for two things that spare operations: whether a LF has a dot behind it is said of the octet behind the
    /// lane's, and NULs are left to the caller, who has the least octet of each lane so far. Reads `width + 2` octets.
    @inline(__always)
    private static func irregularAhead(_ octets: RawSpan, _ index: Int, _ least: inout Octets) -> Mask {
        let here = self.load(octets, index)
        least.replace(with: here, where: here .< least)
        let lineFeeds = self.load(octets, index + 1) .== Octets(repeating: lineFeed)
        let dots = self.load(octets, index + 2) .== Octets(repeating: dot)
        let ends = (here .== Octets(repeating: carriageReturn)) .^ lineFeeds
        return ends .| (lineFeeds .& dots)
    }

    @inline(__always)
    private static func load(_ octets: RawSpan, _ index: Int) -> Octets {
        unsafe octets.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: Octets.self)
    }

    @inline(__always)
    private static func halves(_ mask: Mask) -> Halves {
        Halves(unsafe unsafeBitCast(mask, to: SIMD2<UInt64>.self))
    }

    /// A mask as two words, an octet of ones for each lane that is set: the processor tests words, not vectors.
    private struct Halves {
        private let low: UInt64
        private let high: UInt64

        @inline(__always)
        init(_ words: SIMD2<UInt64>) {
            self.low = UInt64(littleEndian: words[0])
            self.high = UInt64(littleEndian: words[1])
        }

        @inline(__always)
        var any: Bool { self.low | self.high != 0 }

        /// The first lane that is set; 16 if none is.
        @inline(__always)
        var first: Int {
            self.low != 0 ? self.low.trailingZeroBitCount / 8 : 8 + self.high.trailingZeroBitCount / 8
        }

        /// The last lane that is set; -1 if none is.
        @inline(__always)
        var last: Int {
            self.high != 0 ? 15 - self.high.leadingZeroBitCount / 8 : 7 - self.low.leadingZeroBitCount / 8
        }
    }
}
