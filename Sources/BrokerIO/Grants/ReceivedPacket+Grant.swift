#if !hasFeature(Embedded)
package import BrokerCore
#endif

extension ReceivedPacket {
    /// Reads the packet as the reply to the request with that tag, and checks each descriptor against its line.
    ///
    /// The names are still to be compared with those that were asked for.
    package borrowing func grant(tag: StaticString) throws(GrantError) -> GrantReader {
        let text = self.text.storage.span.extracting(first: self.text.count)
        let grant = try GrantReader(reply: text, tag: tag)
        guard grant.count == self.descriptors.count else {
            throw GrantError("another number of descriptors came than was announced")
        }
        for index in 0..<grant.count {
            let spec = try grant.spec(index, in: text)
            // Looked at only: the packet still owns it.
            let descriptor = Descriptor(owning: self.descriptors.rawValues[index])
            var mismatch: SocketMismatch?
            do throws(SocketMismatch) { try descriptor.check(against: spec) } catch { mismatch = error }
            _ = descriptor.release()
            if let mismatch { throw GrantError(mismatch.text, grant.name(index)) }
        }
        return grant
    }
}
