internal import BrokerCore
internal import BrokerIO
internal import CPosternSys
internal import PosternClient

/// Sockets that this process has, and gives to the broker as one line of the policy.
package struct SocketOffer: Equatable, Sendable {
    /// How the line may read; the broker compares the address by value, and `*` and `[::]` are not the same.
    package var specs: [String]
    /// The descriptors, which the process owns.
    package var descriptors: [Int32]

    /// Why a descriptor cannot be given.
    package struct Refusal: Error, Equatable, Sendable {
        /// The descriptor and what is wrong with it.
        package var text: String

        /// Makes a refusal.
        package init(text: String) { self.text = text }
    }

    /// Sorts descriptors into the lines that they are for, in the order in which each line first occurs.
    ///
    /// - Parameter policy: the policy's text, if it can be read: what it says of `name` is how the lines read. Without
    ///   it, and for a socket that it does not know, the socket itself is asked.
    package static func sort(
        _ descriptors: [Int32], for name: String, policy: [UInt8]?
    ) throws(Refusal) -> [SocketOffer] {
        var offers: [SocketOffer] = []
        for raw in descriptors {
            // Looked at only: its owner is the process.
            let descriptor = Descriptor(owning: raw)
            var specs: [String] = []
            var mismatch: SocketMismatch?
            do throws(SocketMismatch) {
                if let policy { specs = Self.lines(of: name, in: policy, for: descriptor) }
                if specs.isEmpty { specs = try Self.specs(of: descriptor) }
            } catch {
                mismatch = error
            }
            _ = descriptor.release()
            if let mismatch { throw Refusal(text: "descriptor \(raw): \(mismatch.text)") }
            if let index = offers.firstIndex(where: { $0.specs == specs }) {
                offers[index].descriptors.append(raw)
            } else {
                offers.append(SocketOffer(specs: specs, descriptors: [raw]))
            }
        }
        return offers
    }

    /// The specs of the name's lines that describe the socket.
    private static func lines(of name: String, in policy: [UInt8], for descriptor: borrowing Descriptor) -> [String] {
        var specs: [String] = []
        var parser = PolicyParser()
        // (What is wrong with a policy is for the broker to say.)
        while let entry = try? parser.next(in: policy.span) {
            guard String(policy.span, entry.name) == name, (try? descriptor.check(against: entry.socket)) != nil else {
                continue
            }
            specs.append(String(writing: { entry.appendSpec(to: &$0, in: policy.span) }))
        }
        return specs
    }

    /// What the socket itself says: `tcp 192.0.2.1:25`; for every address of both families, `*` and then `[::]`.
    private static func specs(of descriptor: borrowing Descriptor) throws(SocketMismatch) -> [String] {
        let word = String(describing: try descriptor.transport().word)
        let bound = try descriptor.boundAddress()
        guard bound.port > 0 else { throw .address }
        let isV6Only = (try? descriptor.option(Int32(IPPROTO_IPV6), IPV6_V6ONLY, "getsockopt")) == 1
        let isWildcard = bound.host.high == 0 && bound.host.low == 0
        var device = InlineArray<16, UInt8>(repeating: 0)
        var length = socklen_t(16)
        let result = unsafe withUnsafeMutableBytes(of: &device) { bytes in
            unsafe getsockopt(descriptor.rawValue, SOL_SOCKET, SO_BINDTODEVICE, bytes.baseAddress, &length)
        }
        guard result == 0 else { throw .device }
        let end = device.span.firstOffset(of: 0, in: TextRange(0, 16))
        let suffix = end > 0 ? " device=" + String(device.span, TextRange(0, end)) : ""
        let spelled = "\(word) \(bound.host.text):\(bound.port)"
        if isWildcard, !isV6Only { return ["\(word) *:\(bound.port)\(suffix)", spelled + suffix] }
        guard bound.host.family == .ipv6 else { return [spelled + suffix] }
        // (For one address the kernel turns IPV6_V6ONLY on by itself, so that the line may have the word or not.)
        return isWildcard ? [spelled + " v6only" + suffix] : [spelled + suffix, spelled + " v6only" + suffix]
    }
}
