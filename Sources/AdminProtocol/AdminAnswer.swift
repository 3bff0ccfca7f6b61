/// The relay's answer to one ``AdminRequest``: a line of JSON with one of its properties.
package struct AdminAnswer: Codable, Hashable, Sendable {
    /// Where a recipient would go.
    package var route: RouteAnswer?
    /// Every group, in the order of relay.yaml.
    package var groups: [GroupAnswer]?
    /// What became of a backend that was to be drained, or not to be any more.
    package var drained: DrainAnswer?
    /// Why there is no answer.
    package var error: String?

    /// Answers ``AdminRequest/route(recipient:)``.
    package init(route: RouteAnswer) {
        self.route = route
    }

    /// Answers ``AdminRequest/backends``.
    package init(groups: [GroupAnswer]) {
        self.groups = groups
    }

    /// Answers ``AdminRequest/drain(group:backend:)`` and ``AdminRequest/undrain(group:backend:)``.
    package init(drained: DrainAnswer) {
        self.drained = drained
    }

    /// Says why there is no answer.
    package init(error: String) {
        self.error = error
    }
}

/// Where a recipient would go by the route table.
package struct RouteAnswer: Codable, Hashable, Sendable {
    /// What becomes of a recipient.
    package enum Verdict: String, Codable, Sendable {
        /// It goes to `backend`.
        case forward
        /// It is refused with `replyCode`, `enhancedCode` and `text`.
        case refuse
        /// No route takes it; a lookup of the relay's own would be asked.
        case lookup
    }

    /// What becomes of the recipient.
    package var verdict: Verdict
    /// The group that the backend is of.
    package var group: String?
    /// The backend whose turn it is, as relay.yaml writes it: `192.0.2.1:2525`, `[2001:db8::1]:25`, `name:25`,
    /// `unix:/path`.
    package var backend: String?
    /// 400 to 599.
    package var replyCode: UInt16?
    /// As `5.7.1`; nil where the reply has none.
    package var enhancedCode: String?
    /// One line of printable ASCII.
    package var text: String?

    /// The recipient goes to a backend.
    package static func forward(group: String, backend: String) -> RouteAnswer {
        RouteAnswer(verdict: .forward, group: group, backend: backend)
    }

    /// The recipient is refused.
    package static func refuse(replyCode: UInt16, enhancedCode: String?, text: String) -> RouteAnswer {
        RouteAnswer(verdict: .refuse, replyCode: replyCode, enhancedCode: enhancedCode, text: text)
    }

    /// A lookup would be asked.
    package static var lookup: RouteAnswer { RouteAnswer(verdict: .lookup) }
}
