package import SMTPCore

/// One route: who its recipients and clients are, and what becomes of their mail.
package struct Route: Hashable, Sendable {
    /// What becomes of a recipient that takes the route.
    package enum Target: Hashable, Sendable {
        /// Its mail goes to a backend of this group.
        case group(BackendGroup)
        /// It is refused with this reply, in the 4yz or 5yz class.
        case reject(SMTPReply)
        /// A lookup of the route's own is asked, which the configuration has at this place.
        case lookup(Int)
    }

    /// A recipient takes the route when one of these matches,
    package var recipients: [RecipientPattern]
    /// and the client meets these.
    package var conditions: RouteConditions
    /// Where it leads.
    package var target: Target

    /// Makes a route.
    package init(
        recipients: [RecipientPattern], conditions: RouteConditions = RouteConditions(), target: Target
    ) {
        self.recipients = recipients
        self.conditions = conditions
        self.target = target
    }

    /// Makes a route to a group.
    package init(recipients: [RecipientPattern], group: BackendGroup) {
        self.init(recipients: recipients, target: .group(group))
    }

    /// The group where it leads; nil where it refuses, or asks.
    package var group: BackendGroup? {
        switch self.target {
        case .group(let group): group
        case .reject, .lookup: nil
        }
    }
}
