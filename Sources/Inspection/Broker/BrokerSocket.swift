/// A socket as the broker lists it: `smtp tcp [::]:25 v6only leases=2 queue=0 missing` (PB1, LIST).
package struct BrokerSocket: Equatable, Sendable, Encodable {
    /// The listener's name.
    package var name: String
    /// `tcp` or `udp`.
    package var transport: String
    /// Address and port as the policy spells them.
    package var address: String
    /// `v6only` and `device=NAME`, where they hold.
    package var options: [String] = []
    /// How many connections hold the name.
    package var leases: Int
    /// How many connections, or with UDP bytes, wait.
    package var queue: Int
    /// The broker does not have it.
    package var missing = false
    /// A holder made it unusable, and it could not be healed.
    package var spoiled = false
    /// The name is held exclusively.
    package var exclusive = false

    /// Reads an item; nil if it is none. Words that are not known are left out: a later broker may say more.
    package init?(item: String) {
        let words = item.split(separator: " ").map(String.init)
        guard words.count >= 5 else { return nil }
        self.name = words[0]
        self.transport = words[1]
        self.address = words[2]
        var leases: Int?
        var queue: Int?
        for word in words[3...] {
            switch word {
            case "v6only": self.options.append(word)
            case "missing": self.missing = true
            case "spoiled": self.spoiled = true
            case "exclusive": self.exclusive = true
            default:
                if word.hasPrefix("device=") { self.options.append(word) }
                if word.hasPrefix("leases=") { leases = Int(word.dropFirst(7)) }
                if word.hasPrefix("queue=") { queue = Int(word.dropFirst(6)) }
            }
        }
        guard let leases, let queue else { return nil }
        self.leases = leases
        self.queue = queue
    }

    /// `tcp [::]:25 v6only`.
    package var socket: String { ([self.transport, self.address] + self.options).joined(separator: " ") }

    /// What is to be known of it, in a word or more: `ok`, or `missing`, `spoiled`, `exclusive`.
    package var state: String {
        let words = [
            self.missing ? "missing" : nil, self.spoiled ? "spoiled" : nil, self.exclusive ? "exclusive" : nil,
        ]
        let text = words.compactMap(\.self).joined(separator: " ")
        return text.isEmpty ? "ok" : text
    }

    /// Sockets as a table.
    package static func table(_ sockets: [BrokerSocket]) -> String {
        var table = Table([.left("NAME"), .left("SOCKET"), .right("LEASES"), .right("QUEUE"), .left("STATE")])
        for socket in sockets {
            table.append([socket.name, socket.socket, "\(socket.leases)", "\(socket.queue)", socket.state])
        }
        return table.text
    }
}

/// What the broker has: the document of `postern sockets list --json`.
package struct BrokerListing: Equatable, Sendable, Encodable {
    /// Which start of the broker this is of.
    package var generation: String
    /// Every socket that the caller may list.
    package var sockets: [BrokerSocket]
}
