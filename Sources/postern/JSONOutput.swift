import FoundationEssentials

extension Output {
    /// Writes a document to standard output as JSON, keys in alphabetical order.
    static func json(_ document: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        self.line(String(decoding: try encoder.encode(document), as: UTF8.self))
    }
}
