import NIOCore
import Routing

// Whether connections to backends are kept for other clients, and how many for how long.

extension ConfigurationDecoder {
    /// What `pool` of a destination says; without a word, the defaults.
    ///
    /// - Parameter policy: what else the destination says.
    mutating func pool(_ node: YAMLNode?, _ path: String, of policy: DeliveryPolicy) -> PoolPolicy {
        var pool = PoolPolicy()
        guard let node else { return pool }
        if case .scalar = node.content {
            if self.either(node, path, "on", or: "off") == false { pool.size = 0 }
            return pool
        }
        guard let fields = self.fields(node, path, Keys("size", "idle", "age", "uses", "warm")) else { return pool }
        if let node = fields["size"], let value = self.integer(node, path + ".size", 1...10_000) { pool.size = value }
        // Servers wait for a command for five minutes, and for less when they are busy (RFC 5321 section 4.5.3.2.7).
        if let node = fields["idle"],
            let value = self.duration(node, path + ".idle", .milliseconds(100) ... .minutes(5))
        {
            pool.idle = Duration(value)
        }
        if let node = fields["age"], let value = self.duration(node, path + ".age", .seconds(1) ... .hours(24)) {
            pool.age = Duration(value)
            if fields["idle"] != nil, pool.age < pool.idle {
                self.error(
                    node.mark, path + ".age",
                    "it is shorter than idle, which is \(Self.text(TimeAmount(pool.idle)))")
            }
        }
        if let node = fields["uses"], let value = self.integer(node, path + ".uses", 1...1_000_000, zeroIsNone: true) {
            pool.uses = value
        }
        if let node = fields["warm"], path == "lookup.pool" {
            self.error(node.mark, path + ".warm", "the servers of a lookup are not known before it answers")
        } else if let node = fields["warm"], let value = self.integer(node, path + ".warm", 0...1000) {
            pool.warm = value
            if value > pool.size {
                self.error(node.mark, path + ".warm", "it is more than size, which is \(pool.size)")
            }
        }
        if policy.identity != .none || policy.login != nil {
            let key = policy.identity != .none ? "identity" : "auth"
            self.warning(
                node.mark, path, "with \(key) each client has a connection of its own: there is nothing to keep")
        }
        return pool
    }
}

extension PoolPolicy {
    /// What differs from the default, in the words of the configuration; nothing where nothing does.
    var words: String {
        let defaults = PoolPolicy()
        guard self != defaults else { return "" }
        guard self.size > 0 else { return ", pool off" }
        let text = { (duration: Duration) in ConfigurationDecoder.text(TimeAmount(duration)) }
        var words = ["pool"]
        if self.size != defaults.size { words.append("size \(self.size)") }
        if self.idle != defaults.idle { words.append("idle \(text(self.idle))") }
        if self.age != defaults.age { words.append("age \(text(self.age))") }
        if self.uses != defaults.uses { words.append("uses \(self.uses)") }
        if self.warm != defaults.warm { words.append("warm \(self.warm)") }
        return ", " + words.joined(separator: " ")
    }
}
