package import Routing

/// What a proxy says of a connection in front of its first octet: HAProxy's PROXY protocol, versions 1 and 2.
///
///     C: PROXY TCP4 192.0.2.42 198.51.100.1 50000 25
///     S: 220 mail.example.org ESMTP ready
///
/// It is to be believed from proxies that are known as such, and from nobody else: there is nothing in it that proves it.
package struct ProxyHeader: Hashable, Sendable {
    /// One end of a connection.
    package struct Endpoint: Hashable, Sendable {
        /// The address; an IPv4-mapped one is the IPv4 address that it is.
        package var address: IPAddress
        /// The port.
        package var port: UInt16

        /// Makes an endpoint.
        package init(_ address: IPAddress, port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    /// Whose connection it is.
    package enum Subject: Hashable, Sendable {
        /// A client's, from there to the address where the proxy took it.
        case client(Endpoint, to: Endpoint)
        /// A client's that the proxy does not know, or cannot say: UNKNOWN, another family than IP, a Unix socket.
        case unknown
        /// The proxy's own, such as a probe of its: LOCAL.
        case proxy
    }

    /// Whose connection it is.
    package var subject: Subject

    /// Makes a header.
    package init(_ subject: Subject) {
        self.subject = subject
    }
}

extension ProxyHeader {
    /// The most octets of a header of version 1, CRLF included.
    package static let longestVersion1 = 107
    /// The most octets of a header of version 2 that are taken, its TLVs included: what is known of them fits many times.
    /// The format would allow 65,551.
    package static let longestVersion2 = 4096

    /// What was found in front of a connection.
    package struct Parsed: Equatable, Sendable {
        /// The header.
        package var header: ProxyHeader
        /// Its octets; what stands behind them is the client's.
        package var length: Int
    }

    /// Reads the header that the octets begin with; nil while it is not whole. What comes of a header does not depend on
    /// how it was cut on its way.
    ///
    /// Fails as soon as no further octet could make it one, and never wants more than ``longestVersion2`` octets.
    package static func parse(_ octets: Span<UInt8>) throws(ProxyHeaderError) -> Parsed? {
        guard !octets.isEmpty else { return nil }
        return octets[0] == Version2.signature[0] ? try Version2.parse(octets) : try Version1.parse(octets)
    }
}

/// Why octets are no PROXY header.
package enum ProxyHeaderError: String, Error, Sendable {
    /// They begin as neither version does.
    case missing = "it is not there"
    /// It would be longer than the limit.
    case tooLong = "it is too long"
    /// Version 1: words, blanks or the line end are not as they should be.
    case malformed = "it is malformed"
    /// An address or a port cannot be read, or is of another family than the header says.
    case badAddress = "an address in it is wrong"
    /// Version 2: another version, command or family than there is.
    case unsupported = "its version, command or family is unknown"
    /// Version 2: the addresses are longer than all that was announced.
    case addressesCutShort = "its addresses are cut short"
    /// Version 2: a TLV is longer than what there is, or not as long as its type is.
    case badTLV = "a TLV in it has a wrong length"
    /// Version 2: the checksum is not the header's.
    case badChecksum = "its checksum is wrong"
}
