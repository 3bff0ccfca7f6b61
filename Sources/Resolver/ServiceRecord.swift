/// Where a service is to be had, as an SRV record says it (RFC 2782).
package struct ServiceRecord: Hashable, Sendable {
    /// The lower, the sooner it is tried.
    package var priority: UInt16
    /// Its share among the records of one priority.
    package var weight: UInt16
    /// Where the service listens.
    package var port: UInt16
    /// The name of the host, in lower case; nil for the root, by which a domain says that it does not have the service.
    package var target: String?

    /// Makes a record.
    package init(priority: UInt16, weight: UInt16, port: UInt16, target: String?) {
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target
    }
}
