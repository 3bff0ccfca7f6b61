import CYaml

/// A place in a YAML file.
struct YAMLMark: Hashable, Sendable {
    /// From 1.
    var line: Int
    /// From 1, in characters.
    var column: Int
}

/// What libyaml finds, one after another.
enum YAMLEvent: Equatable, Sendable {
    /// What a node may have in front of it.
    enum Property: Equatable, Sendable { case anchor, tag }

    case scalar(String, isPlain: Bool, Property?)
    case sequenceStart(Property?)
    case sequenceEnd
    case mappingStart(Property?)
    case mappingEnd
    case alias
    case documentStart
    case other
    case streamEnd
}

/// Where a file is not YAML.
struct YAMLSyntaxError: Error, Equatable, Sendable {
    var mark: YAMLMark
    var message: String
}

/// libyaml's events. It owns libyaml's parser while ``events(_:handle:)`` runs, and nothing of it is left afterwards.
enum YAMLParser {
    /// Calls `handle` with each event and the place where it begins, until that returns false or the stream ends.
    ///
    /// Fails where the octets are not UTF-8 or not YAML.
    static func events(
        _ octets: [UInt8], handle: (YAMLEvent, YAMLMark) -> Bool
    ) throws(YAMLSyntaxError) {
        // libyaml keeps a pointer to the parser inside it, so it must not move.
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { unsafe parser.deallocate() }
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            throw YAMLSyntaxError(mark: YAMLMark(line: 1, column: 1), message: "out of memory")
        }
        defer { unsafe yaml_parser_delete(parser) }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)

        let failure: YAMLSyntaxError? = unsafe octets.withUnsafeBufferPointer { buffer in
            unsafe yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
            while true {
                var event = unsafe yaml_event_t()
                guard unsafe yaml_parser_parse(parser, &event) == 1 else {
                    return unsafe Self.syntaxError(parser.pointee, octets)
                }
                defer { unsafe yaml_event_delete(&event) }
                let kind = unsafe Self.event(event)
                let goOn = unsafe handle(kind, Self.mark(event.start_mark))
                if !goOn || kind == .streamEnd { return nil }
            }
        }
        if let failure { throw failure }
    }

    private static func event(_ event: yaml_event_t) -> YAMLEvent {
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let text = unsafe String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
            return unsafe .scalar(text, isPlain: isPlain, property(anchor: scalar.anchor, tag: scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe event.data.sequence_start
            return unsafe .sequenceStart(property(anchor: start.anchor, tag: start.tag))
        case YAML_MAPPING_START_EVENT:
            let start = unsafe event.data.mapping_start
            return unsafe .mappingStart(property(anchor: start.anchor, tag: start.tag))
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_ALIAS_EVENT: return .alias
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_STREAM_END_EVENT: return .streamEnd
        default: return .other
        }
    }

    private static func property(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?
    ) -> YAMLEvent.Property? {
        if unsafe anchor != nil { return .anchor }
        return unsafe tag == nil ? nil : .tag
    }

    private static func mark(_ mark: yaml_mark_t) -> YAMLMark {
        YAMLMark(line: mark.line + 1, column: mark.column + 1)
    }

    private static func syntaxError(_ parser: yaml_parser_t, _ octets: [UInt8]) -> YAMLSyntaxError {
        let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "it cannot be read"
        if unsafe parser.error == YAML_READER_ERROR {
            // The parser's mark is where it had got to; the octet at fault is counted from the beginning.
            let before = unsafe octets.prefix(max(0, parser.problem_offset))
            let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            let mark = YAMLMark(
                line: before.count { $0 == UInt8(ascii: "\n") } + 1, column: before.count - lineStart + 1)
            return YAMLSyntaxError(mark: mark, message: problem)
        }
        let context = unsafe parser.context.map { unsafe String(cString: $0) + ": " } ?? ""
        return unsafe YAMLSyntaxError(mark: mark(parser.problem_mark), message: context + problem)
    }
}
