package import BrokerCore

extension Host {
    /// As the policy spells it: `192.0.2.1`, `[2001:db8::1]` or `*`.
    package var text: String {
        switch self.family {
        case .any: "*"
        case .ipv4: self.ipv4Text
        case .ipv6: "[\(self.ipv6Text)]"
        }
    }

    private var ipv4Text: String {
        "\(self.low >> 24 & 255).\(self.low >> 16 & 255).\(self.low >> 8 & 255).\(self.low & 255)"
    }

    /// RFC 5952: the longest run of zero groups, two at least, becomes `::`.
    private var ipv6Text: String {
        let halves = [self.high, self.low]
        let groups: [UInt64] = (0..<8).map { index in
            let shift = UInt64(48 - 16 * (index % 4))
            return halves[index / 4] >> shift & 0xFFFF
        }
        var best = 0..<0
        var start = 0
        while start < 8 {
            let end = groups[start...].firstIndex { $0 != 0 } ?? 8
            if end - start > max(1, best.count) { best = start..<end }
            start = max(end, start + 1)
        }
        func join(_ part: ArraySlice<UInt64>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !best.isEmpty else { return join(groups[...]) }
        return join(groups[..<best.lowerBound]) + "::" + join(groups[best.upperBound...])
    }
}
