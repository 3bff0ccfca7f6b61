import SMTPCore

/// The server's name as EHLO to backends has it: what comes back with it comes from this very relay.
///
/// A name means the same in any case (RFC 5321 section 2.4), so the case of its letters can be a mark that no backend
/// trips over: `mail.example.org` becomes, say, `mAil.exAMple.oRg`, other letters each time the relay starts or reloads.
/// A client that says its EHLO so is on the other end of one of our own connections, whatever was in between.
struct HopName: Sendable {
    /// What EHLO says.
    let name: String
    private let isMarked: Bool

    /// Marks a name. An address literal, and a name of one letter, stay as they are: then only addresses and the count of
    /// Received fields end a loop.
    init(_ serverName: String, using generator: inout some RandomNumberGenerator) {
        let octets = Array(serverName.utf8)
        let letters = octets.indices.filter { (0x61...0x7A).contains(octets[$0] | 0x20) }
        guard letters.count > 1, octets.first != UInt8(ascii: "[") else {
            self.name = serverName
            self.isMarked = false
            return
        }
        var marked = octets
        repeat {
            for index in letters { marked[index] = octets[index] & ~0x20 | (Bool.random(using: &generator) ? 0x20 : 0) }
            // How people write names is no mark.
        } while marked == octets || letters.allSatisfy { marked[$0] & 0x20 == marked[letters[0]] & 0x20 }
        self.name = String(decoding: marked, as: UTF8.self)
        self.isMarked = true
    }

    /// Whether a client's EHLO has our mark, to the letter.
    func isOurs(_ clientName: String) -> Bool {
        self.isMarked && self.name.utf8.elementsEqual(clientName.utf8)
    }
}
