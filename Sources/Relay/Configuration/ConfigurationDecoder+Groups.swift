import NIOCore
import Routing

// Groups of backends: which there are, how one is chosen, and what they have to bear.

extension ConfigurationDecoder {
    private static let connections = 1...1_000_000

    mutating func groups(_ node: YAMLNode, into draft: inout ConfigurationDraft) {
        for entry in self.entries(node, "groups") ?? [] {
            let path = "groups.\(entry.key)"
            draft.groupNames.append(entry.key)
            guard Self.isName(entry.key) else {
                self.error(
                    entry.mark, "groups",
                    "\"\(entry.key)\" is not a name: 1 to 63 letters, digits, \".\", \"_\" or \"-\"")
                continue
            }
            let keys = Keys(
                "backends", "balance", "max-connections", "wait", "health", "identity", "auth", "tls", "message",
                "pool")
            guard let fields = self.fields(entry.value, path, keys) else { continue }
            var group = BackendGroup(name: entry.key, backends: [])
            if let backends = fields["backends"] {
                group.backends = self.backends(backends, path + ".backends", into: &draft)
            } else {
                self.error(entry.mark, path, "it has no backends")
            }
            self.choosing(fields, path, into: &group)
            group.policy = self.policy(fields, path, into: &draft)
            draft.groups.append(.init(value: group, mark: entry.mark, path: path))
        }
    }

    /// How a backend is chosen, and when none is.
    private mutating func choosing(_ fields: Fields, _ path: String, into group: inout BackendGroup) {
        if let balance: Balance = self.choice(fields["balance"], path + ".balance") { group.balance = balance }
        if let node = fields["max-connections"],
            let value = self.integer(node, path + ".max-connections", Self.connections, zeroIsNone: true)
        {
            group.maxConnections = value
        }
        // What the client waits for has to end before the client gives up (RFC 5321 section 4.5.3.2.3).
        if let node = fields["wait"], let value = self.duration(node, path + ".wait", .zero ... .minutes(4)) {
            group.wait = Duration(value)
        }
        if let node = fields["health"] { group.health = self.health(node, path + ".health") }
    }

    private mutating func health(_ node: YAMLNode, _ path: String) -> HealthPolicy {
        var health = HealthPolicy()
        var keys = Keys("failures", "eject", "longest-eject")
        keys.known += Self.probeKeys
        guard let fields = self.fields(node, path, keys) else { return health }
        health.probe = self.probe(fields, path)
        if let node = fields["failures"],
            let value = self.integer(node, path + ".failures", 1...1000, zeroIsNone: true)
        {
            health.failures = value
        }
        let range = TimeAmount.milliseconds(100) ... .hours(24)
        if let node = fields["eject"], let value = self.duration(node, path + ".eject", range) {
            health.eject = Duration(value)
            health.longestEject = max(health.longestEject, health.eject)
        }
        if let node = fields["longest-eject"],
            let value = self.duration(node, path + ".longest-eject", range)
        {
            health.longestEject = Duration(value)
            if health.longestEject < health.eject {
                self.error(
                    node.mark, path + ".longest-eject",
                    "it is shorter than eject, which is \(Self.text(TimeAmount(health.eject)))")
            }
        }
        return health
    }

    mutating func backends(_ node: YAMLNode, _ path: String, into draft: inout ConfigurationDraft) -> [Backend] {
        guard let elements = self.elements(node, path) else { return [] }
        if elements.isEmpty { self.error(node.mark, path, "there has to be one at least") }
        var backends: [Backend] = []
        for (index, element) in elements.enumerated() {
            let path = "\(path)[\(index)]"
            guard let (backend, mark) = self.backend(element, path) else { continue }
            if backends.contains(where: { $0.address == backend.address }) {
                self.error(mark, path, "\(backend.address) is here a second time; a weight gives it more")
            }
            backends.append(backend)
            draft.backends.append(.init(value: backend.address, mark: mark, path: path))
        }
        if !backends.isEmpty, backends.allSatisfy(\.isBackup) {
            self.warning(node.mark, path, "all of them are backups: that is as if none were")
        }
        return backends
    }

    /// An address, or a mapping with one; and where the address is written.
    private mutating func backend(_ node: YAMLNode, _ path: String) -> (Backend, YAMLMark)? {
        guard case .mapping = node.content else {
            return self.backendAddress(node, path).map { (Backend($0), node.mark) }
        }
        let keys = Keys("address", "weight", "backup", "max-connections")
        guard let fields = self.fields(node, path, keys) else { return nil }
        if fields["address"] == nil { self.error(node.mark, path, "it has no address") }
        let weight = fields["weight"].flatMap { self.integer($0, path + ".weight", Backend.weights) }
        let connections = fields["max-connections"].flatMap {
            self.integer($0, path + ".max-connections", Self.connections, zeroIsNone: true)
        }
        let backup = fields["backup"].flatMap { self.word($0, path + ".backup", ["on", "off", "true", "false"]) }
        guard let addressNode = fields["address"], let address = self.backendAddress(addressNode, path) else {
            return nil
        }
        if let node = fields["weight"], case .service = address {
            self.error(node.mark, path + ".weight", "the weights of a service are those of its SRV records")
        }
        let backend = Backend(
            address, weight: weight ?? 1, isBackup: backup == "on" || backup == "true",
            maxConnections: connections ?? 0)
        return (backend, addressNode.mark)
    }
}

// MARK: The summary

extension BackendGroup {
    /// The backends and how they are chosen, in the words of the configuration; what is the default is left out.
    var summary: String {
        let backends = self.backends.map { backend in
            var notes: [String] = []
            if backend.weight != 1 { notes.append("weight \(backend.weight)") }
            if backend.isBackup { notes.append("backup") }
            if backend.maxConnections != 0 { notes.append("max-connections \(backend.maxConnections)") }
            return "\(backend.address)" + (notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))")
        }
        var words = backends
        if backends.count > 1 { words.append(self.balance.rawValue) }
        if self.maxConnections != 0 { words.append("max-connections \(self.maxConnections)") }
        let defaults = BackendGroup(name: "", backends: [])
        if self.wait != defaults.wait { words.append("wait \(Self.text(self.wait))") }
        if self.health.failures != defaults.health.failures {
            words.append(
                self.health.failures == 0
                    ? "health failures 0 (never ejected)" : "health failures \(self.health.failures)")
        }
        if self.health.eject != defaults.health.eject { words.append("eject \(Self.text(self.health.eject))") }
        if self.health.longestEject != defaults.health.longestEject {
            words.append("longest-eject \(Self.text(self.health.longestEject))")
        }
        if let probe = self.health.probe { words.append(probe.words) }
        return words.joined(separator: ", ")
    }

    private static func text(_ duration: Duration) -> String { ConfigurationDecoder.text(TimeAmount(duration)) }
}
