import Resolver
package import Routing

/// One place that the name of a backend leads to.
package struct ResolvedPlace: Hashable, Sendable {
    /// The address.
    package var address: IPAddress
    /// The port: the configuration's, or the SRV record's.
    package var port: UInt16
    /// The name whose address it is: the backend's own, or the target of an SRV record.
    package var host: String
    /// The SRV record's priority; 0 for an address.
    package var priority: UInt16
    /// Its share among those of its priority, in ``Backend/weights``.
    package var weight: Int

    /// Makes a place.
    package init(_ address: IPAddress, port: UInt16, host: String, priority: UInt16 = 0, weight: Int = 1) {
        self.address = address
        self.port = port
        self.host = host
        self.priority = priority
        self.weight = weight
    }

    /// Where to connect.
    package var backend: BackendAddress { .ip(self.address, port: self.port) }
}

extension ResolvedPlace {
    /// The members of a group that a backend's name leads to; endpoints among `earlier` that are still right stay.
    ///
    /// A service's weights are the DNS's, and its places of other priorities than the lowest are backups. Of a host, each
    /// address has the weight of the backend.
    static func members(
        of backend: Backend, _ places: [ResolvedPlace], _ group: String, _ earlier: [EndpointTable.Member]
    ) -> [EndpointTable.Member] {
        let lowest = places.map(\.priority).min()
        // A backend that was drained is so at its new addresses, too.
        let isDraining = !earlier.isEmpty && earlier.allSatisfy(\.endpoint.isDraining)
        let isService = if case .service = backend.address { true } else { false }
        return places.map { place in
            let known = earlier.first { $0.endpoint.address == place.backend }?.endpoint
            let endpoint = known ?? Endpoint(group: group, configured: backend.address, address: place.backend)
            if known == nil, isDraining { endpoint.drain(true) }
            var settings = backend
            settings.address = place.backend
            if isService { settings.weight = place.weight }
            if place.priority != lowest { settings.isBackup = true }
            return .init(endpoint, settings)
        }
    }

    /// Weights of SRV records of one priority, from 0 to 65535, as a group has them.
    ///
    /// RFC 2782 gives a record of weight 0 "a very small chance" beside others, and all the same share where all have 0.
    static func weights(_ records: [UInt16]) -> [Int] {
        let largest = Int(records.max() ?? 0)
        guard largest > 0 else { return records.map { _ in 1 } }
        let top = Backend.weights.upperBound
        // Small ones stay as they are: whoever reads the log finds them again.
        guard largest > top || records.contains(0) else { return records.map { Int($0) } }
        return records.map { max(Int($0) * top / largest, 1) }
    }
}
