/// A node of a YAML file with its place.
struct YAMLNode: Equatable, Sendable {
    enum Content: Equatable, Sendable {
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
        /// A problem was reported here: whoever reads it should not report another.
        case unusable
    }

    /// A key and its value.
    struct Entry: Equatable, Sendable {
        var key: String
        var mark: YAMLMark
        var value: YAMLNode
    }

    var content: Content
    var mark: YAMLMark

    /// Whether nothing was written here, or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = self.content else { return false }
        return ["", "~", "null"].contains(text)
    }
}

/// Builds the tree of a file, and finds what YAML allows but a configuration should not have.
///
/// Anchors, aliases, tags, several documents and keys that are no text are refused: with them a small file can stand
/// for a huge one, and a value for something else than what is read there.
struct YAMLTree {
    /// The depth of nodes within nodes that is read.
    static let maximumDepth = 16
    /// The nodes that are read.
    static let maximumNodes = 100_000

    /// The document; nil for an empty file and for one that is not YAML.
    private(set) var root: YAMLNode?
    /// What was found on the way.
    private(set) var problems: [(mark: YAMLMark, message: String)] = []

    private enum Open {
        case sequence([YAMLNode], YAMLMark)
        /// `lines` has the line of every key so far; `key` is the one whose value comes next.
        case mapping([YAMLNode.Entry], YAMLMark, lines: [String: Int], key: (name: String?, mark: YAMLMark)?)
    }

    private var open: [Open] = []
    private var nodes = 0
    private var documents = 0

    /// Reads the octets of a file.
    init(_ octets: [UInt8]) {
        do {
            try YAMLParser.events(octets) { self.take($0, $1) }
        } catch {
            self.root = nil
            self.report(error.mark, "not YAML: \(error.message)")
        }
    }
}

extension YAMLTree {
    /// Returns false when there is no sense in reading on.
    private mutating func take(_ event: YAMLEvent, _ mark: YAMLMark) -> Bool {
        switch event {
        case .scalar(let text, let isPlain, let property):
            let isUsable = self.check(property, mark)
            self.add(YAMLNode(content: isUsable ? .scalar(text, isPlain: isPlain) : .unusable, mark: mark))
        case .alias:
            self.report(mark, "aliases (*) are not allowed: write the value out")
            self.add(YAMLNode(content: .unusable, mark: mark))
        case .sequenceStart(let property):
            _ = self.check(property, mark)
            self.open.append(.sequence([], mark))
        case .mappingStart(let property):
            _ = self.check(property, mark)
            self.open.append(.mapping([], mark, lines: [:], key: nil))
        case .sequenceEnd, .mappingEnd:
            self.close()
        case .documentStart:
            self.documents += 1
            guard self.documents == 1 else {
                self.report(mark, "a second document: only one is allowed")
                return false
            }
        case .other, .streamEnd:
            break
        }
        return self.isWithinBounds(mark)
    }

    private mutating func isWithinBounds(_ mark: YAMLMark) -> Bool {
        self.nodes += 1
        guard self.open.count <= Self.maximumDepth, self.nodes <= Self.maximumNodes else {
            self.root = nil
            if self.open.count > Self.maximumDepth {
                self.report(mark, "nested more than \(Self.maximumDepth) deep")
            } else {
                self.report(mark, "more than \(Self.maximumNodes) values")
            }
            return false
        }
        return true
    }

    private mutating func check(_ property: YAMLEvent.Property?, _ mark: YAMLMark) -> Bool {
        switch property {
        case .anchor: self.report(mark, "anchors (&) are not allowed: write the value out")
        case .tag: self.report(mark, "tags (!) are not allowed")
        case nil: return true
        }
        return false
    }

    private mutating func close() {
        switch self.open.popLast() {
        case .sequence(let nodes, let mark): self.add(YAMLNode(content: .sequence(nodes), mark: mark))
        case .mapping(let entries, let mark, _, _): self.add(YAMLNode(content: .mapping(entries), mark: mark))
        case nil: break
        }
    }

    private mutating func add(_ node: YAMLNode) {
        // Taken out and put back, so that the array inside is not copied.
        switch self.open.popLast() {
        case nil:
            self.root = node
        case .sequence(var nodes, let mark):
            nodes.append(node)
            self.open.append(.sequence(nodes, mark))
        case .mapping(let entries, let mark, var lines, nil):
            let name = self.key(node, &lines)
            self.open.append(.mapping(entries, mark, lines: lines, key: (name, node.mark)))
        case .mapping(var entries, let mark, let lines, let key?):
            if let name = key.name { entries.append(YAMLNode.Entry(key: name, mark: key.mark, value: node)) }
            self.open.append(.mapping(entries, mark, lines: lines, key: nil))
        }
    }

    /// The name of a key; nil, with a problem reported, where the entry has to be left out.
    private mutating func key(_ node: YAMLNode, _ lines: inout [String: Int]) -> String? {
        switch node.content {
        case .scalar(let name, _):
            if let first = lines[name] {
                self.report(node.mark, "the key \"\(name)\" is here a second time; the first is in line \(first)")
                return nil
            }
            lines[name] = node.mark.line
            return name
        case .sequence, .mapping:
            self.report(node.mark, "a key has to be a word")
            return nil
        case .unusable:
            return nil
        }
    }

    private mutating func report(_ mark: YAMLMark, _ message: String) {
        self.problems.append((mark, message))
    }
}
