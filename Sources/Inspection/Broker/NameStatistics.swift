/// What the broker says of one name: the document of `postern sockets stat --json` (PB1, STAT).
package struct NameStatistics: Equatable, Sendable, Encodable {
    /// A connection that holds the name.
    package struct Holder: Equatable, Sendable, Encodable {
        /// Whose it is.
        package var uid: UInt32
        /// Who connected.
        package var pid: Int
        /// `shared` or `exclusive`.
        package var mode: String
        /// For how long.
        package var milliseconds: Int

        /// Reads `uid=33 pid=4711 mode=shared ms=81234`; nil if it is none.
        init?(reading text: String) {
            var values: [String: String] = [:]
            for word in text.split(separator: " ") {
                let parts = word.split(separator: "=", maxSplits: 1)
                if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
            }
            guard let uid = values["uid"].flatMap({ UInt32($0) }), let pid = values["pid"].flatMap({ Int($0) }),
                let mode = values["mode"], let milliseconds = values["ms"].flatMap({ Int($0) }), milliseconds >= 0
            else { return nil }
            (self.uid, self.pid, self.mode, self.milliseconds) = (uid, pid, mode, milliseconds)
        }
    }

    /// The name.
    package var name: String
    /// Which start of the broker this is of.
    package var generation: String
    /// The name's sockets.
    package var sockets: [BrokerSocket]
    /// How often it was granted.
    package var gets: Int
    /// How often it was refused.
    package var denied: Int
    /// How often it was stored.
    package var stores: Int
    /// How often a spoiled socket was healed.
    package var heals: Int
    /// How many connections hold it.
    package var holderCount: Int
    /// Who they are, 64 at most.
    package var holders: [Holder]

    /// Reads a reply; nil if it is none to STAT.
    package init?(_ name: String, generation: String, _ reply: BrokerReply) {
        let sockets = reply.items.map { BrokerSocket(item: $0) }
        guard let gets = reply.number("gets"), let denied = reply.number("denied"),
            let stores = reply.number("stores"), let heals = reply.number("heals"),
            let count = reply.number("holders"), sockets.allSatisfy({ $0 != nil })
        else { return nil }
        self.name = name
        self.generation = generation
        self.sockets = sockets.compactMap(\.self)
        (self.gets, self.denied, self.stores, self.heals) = (gets, denied, stores, heals)
        self.holderCount = count
        self.holders = []
        for index in 0..<min(count, 64) {
            guard let value = reply.value("holder.\(index)"), let holder = Holder(reading: value) else { return nil }
            self.holders.append(holder)
        }
    }

    /// The same for people: the sockets, the counts, the holders; `userName` knows a uid's name.
    package func text(userName: (UInt32) -> String?) -> String {
        var text = BrokerSocket.table(self.sockets)
        text += "\ngets \(self.gets), denied \(self.denied), stores \(self.stores), heals \(self.heals), "
        text += "holders \(self.holderCount)\n"
        guard !self.holders.isEmpty else { return text }
        var table = Table([.right("PID"), .left("USER"), .left("MODE"), .right("FOR")])
        for holder in self.holders {
            let user = userName(holder.uid) ?? "\(holder.uid)"
            table.append(["\(holder.pid)", user, holder.mode, Self.duration(milliseconds: holder.milliseconds)])
        }
        text += "\n" + table.text
        if self.holderCount > self.holders.count { text += "… and \(self.holderCount - self.holders.count) more\n" }
        return text
    }

    /// A user's name, as this machine knows it.
    package static func userName(_ uid: UInt32) -> String? { Files.userName(uid) }

    /// `40 ms`, `81 s`, `2 h 5 min`, `3 d 4 h`: two units at most.
    package static func duration(milliseconds: Int) -> String {
        let seconds = milliseconds / 1000
        switch seconds {
        case 0: return "\(milliseconds) ms"
        case ..<120: return "\(seconds) s"
        case ..<7200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3600) h \(seconds / 60 % 60) min"
        default: return "\(seconds / 86400) d \(seconds / 3600 % 24) h"
        }
    }
}
