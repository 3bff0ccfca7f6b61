/// Finds what somebody meant to write.
enum Spelling {
    /// `; did you mean "listeners"?` where one of `words` is near enough; else nothing.
    static func hint(_ written: String, among words: some Sequence<String>) -> String {
        self.nearest(written, among: words).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    /// The word that is nearest to `written`, if any is near enough to be meant.
    static func nearest(_ written: String, among words: some Sequence<String>) -> String? {
        let written = written.lowercased().replacing("_", with: "-")
        guard (1...64).contains(written.utf8.count) else { return nil }
        let ranked = words.map { ($0, Self.distance(Array(written.utf8), Array($0.lowercased().utf8))) }
        if let (word, distance) = ranked.min(by: { $0.1 < $1.1 }), distance <= max(1, written.utf8.count / 3) {
            return word
        }
        // "robin" for "round-robin", "leastconn", "backend-list" for "backends": a part of the word, or more than it.
        let part = written.replacing("-", with: "")
        guard part.utf8.count >= 3 else { return nil }
        return ranked.first { word, _ in
            let whole = word.replacing("-", with: "")
            return whole.contains(part) || whole.utf8.count >= 4 && part.contains(whole)
        }?.0
    }

    /// How many letters have to be put in, left out, replaced or swapped with their neighbour.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}
