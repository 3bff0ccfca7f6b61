package import SMTPCore

/// One route: who its recipients are, and what becomes of their mail.
package struct Route: Hashable, Sendable {
    /// What becomes of a recipient that takes the route.
    package enum Target: Hashable, Sendable {
        /// Its mail goes to a backend of this group.
        case group(BackendGroup)
        /// It is refused with this reply, in the 4yz or 5yz class.
        case reject(SMTPReply)
    }

    /// A recipient takes the route when one of these matches.
    package var recipients: [RecipientPattern]
    /// Where it leads.
    package var target: Target

    /// Makes a route.
    package init(recipients: [RecipientPattern], target: Target) {
        self.recipients = recipients
        self.target = target
    }

    /// Makes a route to a group.
    package init(recipients: [RecipientPattern], group: BackendGroup) {
        self.init(recipients: recipients, target: .group(group))
    }

    /// The group where it leads; nil where it refuses.
    package var group: BackendGroup? {
        switch self.target {
        case .group(let group): group
        case .reject: nil
        }
    }
}
