internal import Routing
internal import SMTPCore

// The route table: it must cost the same with 10 routes and with 10,000.

let routerCases: [MicroCase] = [10, 10_000].flatMap { count in
    [
        routerCase("domain", count, "felix.mustermann@\(label(count / 2)).example.org"),
        routerCase("upper-case", count, "Felix.Mustermann@\(label(count / 2).uppercased()).EXAMPLE.ORG"),
        routerCase("subdomain", count, "felix.mustermann@mail.\(label(count / 2)).example.net"),
        routerCase("none", count, "felix.mustermann@example.com"),
    ]
}

/// A table of `count` domains, each a route of its own to one of three groups, and one route for subdomains.
private func routerCase(_ name: String, _ count: Int, _ recipient: String) -> MicroCase {
    MicroCase("router/\(name)-\(count)", operations: 1) {
        let groups = ["one", "two", "three"].map { BackendGroup(name: $0, backends: [backend(1), backend(2)]) }
        var routes = (0..<count).map { index in
            Route(recipients: [pattern("\(label(index)).example.org")], group: groups[index % 3])
        }
        routes.append(Route(recipients: [pattern("*.\(label(count / 2)).example.net")], group: groups[0]))
        let table = RouteTable(routes: routes)
        let path = forwardPath(recipient)
        return {
            switch table.decide(path) {
            case .group: 1
            case .reject, .lookup, .undecided: fatalError("\(recipient) is refused")
            case .noMatch: 2
            }
        }
    }
}

/// A label of the same length for every number: what differs is the number of routes alone.
private func label(_ number: Int) -> String {
    let digits = String(number)
    return "d" + String(repeating: "0", count: 5 - digits.count) + digits
}

private func pattern(_ text: String) -> RecipientPattern {
    do { return try RecipientPattern(parsing: text) } catch { fatalError(error.message) }
}

private func forwardPath(_ recipient: String) -> ForwardPath {
    let line = Array("RCPT TO:<\(recipient)>".utf8)
    guard case .rcpt(let command)? = try? CommandParser.command(line.span) else { fatalError("\(recipient) is bad") }
    return command.forwardPath
}

/// The backend of a group's `number`.
func backend(_ number: Int) -> Backend {
    guard let address = try? BackendAddress(parsing: "192.0.2.\(number):25") else { fatalError("backend \(number)") }
    return Backend(address)
}
