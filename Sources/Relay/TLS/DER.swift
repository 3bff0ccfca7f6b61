/// Reads DER (X.690): values with a tag and a length that is written in one way only.
///
/// What it reads was signed by nobody in particular, so every length is held to what is there.
struct DER {
    private(set) var rest: ArraySlice<UInt8>

    /// One value.
    struct Value {
        /// The identifier octet; tags of several octets are not read.
        var tag: UInt8
        /// Its content.
        var content: ArraySlice<UInt8>
        /// Identifier, length and content.
        var octets: ArraySlice<UInt8>
    }

    init(_ octets: ArraySlice<UInt8>) {
        self.rest = octets
    }

    /// The next value; nil at the end, or where none can be read.
    mutating func next() -> Value? {
        var fields = Fields(self.rest)
        guard let tag = fields.number(1), tag & 0x1F != 0x1F, let first = fields.number(1) else { return nil }
        var length = first
        if first >= 0x80 {
            let count = first & 0x7F
            guard (1...3).contains(count), let long = fields.number(count), long >= 0x80,
                count == 1 || long >> (8 * (count - 1)) != 0
            else { return nil }
            length = long
        }
        guard let content = fields.take(length) else { return nil }
        defer { self.rest = fields.rest }
        return Value(tag: UInt8(tag), content: content, octets: self.rest.prefix(self.rest.count - fields.rest.count))
    }

    /// The next value where it has this tag; nil otherwise.
    mutating func next(_ tag: UInt8) -> ArraySlice<UInt8>? {
        var copy = self
        guard let value = copy.next(), value.tag == tag else { return nil }
        self = copy
        return value.content
    }

    /// `2.5.4.3`, of the content of an object identifier.
    static func identifier(_ content: ArraySlice<UInt8>) -> String? {
        var numbers: [UInt64] = []
        var number: UInt64 = 0
        var isWithin = false
        for octet in content {
            guard number <= UInt64.max >> 8, isWithin || octet != 0x80 else { return nil }
            number = number << 7 | UInt64(octet & 0x7F)
            isWithin = octet & 0x80 != 0
            if !isWithin {
                if numbers.isEmpty {
                    let first = min(number / 40, 2)
                    numbers = [first, number - first * 40]
                } else {
                    numbers.append(number)
                }
                number = 0
            }
        }
        return isWithin || numbers.isEmpty ? nil : numbers.map { String($0) }.joined(separator: ".")
    }
}
