package import NIOCore

/// What the DNS says of a name, and for how long.
package enum NameAnswer<Record: Equatable & Sendable>: Equatable, Sendable {
    /// These, one at least; they hold until then.
    case found([Record], until: NIODeadline)
    /// There is no such name, or nothing of the kind; for the time that the zone says (RFC 2308), none where it says none.
    case absent(until: NIODeadline)
    /// Nobody could say.
    case failed
}

extension NameResolver {
    /// The most records of one name that are given.
    package static let longestAnswer = 1024

    /// A kind of addresses.
    package enum AddressFamily: Sendable {
        /// IPv4: A records.
        case v4
        /// IPv6: AAAA records (RFC 3596).
        case v6
    }

    /// Finds the addresses of one family that a host name has, as their octets, 4 or 16, in the server's order.
    ///
    /// `completion` is called as ``confirmName(of:completion:)`` does.
    package func addresses(
        of name: String, family: AddressFamily, completion: @escaping (NameAnswer<[UInt8]>) -> Void
    ) -> ResolverTicket {
        self.records(of: name, type: family == .v4 ? .address : .address6, completion: completion) { record in
            guard case .address(let octets) = record else { return nil }
            return octets
        }
    }

    /// Finds where a service is to be had: the SRV records of `_service._protocol.domain` (RFC 2782), in the server's order.
    ///
    /// A record whose target is no host name is left out. `completion` is called as ``confirmName(of:completion:)`` does.
    package func services(
        of name: String, completion: @escaping (NameAnswer<ServiceRecord>) -> Void
    ) -> ResolverTicket {
        self.records(of: name, type: .service, completion: completion) { record in
            guard case .service(let service) = record else { return nil }
            return service
        }
    }

    private func records<Record>(
        of name: String, type: DNSReply.RecordType, completion: @escaping (NameAnswer<Record>) -> Void,
        _ transform: @escaping (DNSReply.Record) -> Record?
    ) -> ResolverTicket {
        let ticket = self.makeTicket { completion(.failed) }
        guard Self.isHostName(name) else {
            self.later(ticket) { completion(.failed) }
            return ticket
        }
        self.ask(Question(name: name.lowercased(), type: type), ticket) { outcome in
            self.end(ticket) {
                switch outcome {
                case .failed:
                    completion(.failed)
                case .absent(let expiry):
                    completion(.absent(until: expiry))
                case .records(let records, let expiry):
                    completion(.found(records.prefix(Self.longestAnswer).compactMap(transform), until: expiry))
                }
            }
        }
        return ticket
    }
}
