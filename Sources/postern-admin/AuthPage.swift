import AdminProtocol
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix

/// `/mail/auth`: nginx's auth_http protocol, answered from the relay's own route table.
///
/// ```text
/// C: GET /mail/auth HTTP/1.0
/// C: Auth-Method: none
/// C: Auth-SMTP-To: RCPT TO:<user@flxw.de>
///
/// S: HTTP/1.1 200 OK
/// S: Auth-Status: OK
/// S: Auth-Server: 192.0.2.1
/// S: Auth-Port: 2525
/// S: Auth-Group: app
/// ```
struct AuthPage: Sendable {
    let relay: RelayClient
    let logger: Logger

    /// The routes of the program.
    func router() -> Router<BasicRequestContext> {
        let router = Router()
        router.get("/mail/auth") { request, _ in await self.answer(request) }
        return router
    }

    private func answer(_ request: Request) async -> Response {
        guard let method = request.headers[.authMethod] else {
            return Response(status: .badRequest, body: .init(byteBuffer: ByteBuffer(string: "no Auth-Method\n")))
        }
        guard method == "none", let recipient = request.headers[.authSMTPTo] else {
            return Self.denial("535", "5.7.0", "Authentication is not served here")
        }
        do {
            let answer = try await self.relay.ask(.route(recipient: recipient))
            guard let route = answer.route else {
                throw RelayClientError(answer.error ?? "an answer to something else")
            }
            return try await self.response(route)
        } catch {
            // Without Auth-Server this is an error to whoever asks, and a 451 to their client.
            self.logger.error("no-answer \(error)")
            return Response(status: .serviceUnavailable)
        }
    }

    private func response(_ route: RouteAnswer) async throws -> Response {
        switch route.verdict {
        case .forward:
            guard let backend = route.backend else { throw RelayClientError("a route without a backend") }
            let server = try await AuthServer.resolving(backend)
            var headers: HTTPFields = [.authStatus: "OK", .authServer: server.address, .authPort: "\(server.port)"]
            headers[.authGroup] = route.group
            return Response(status: .ok, headers: headers)
        case .refuse:
            return Self.denial(
                "\(route.replyCode ?? 550)", route.enhancedCode, route.text ?? "Recipient refused")
        case .lookup:
            return Self.denial("451", "4.3.0", "No route, and lookups are not answered for others")
        }
    }

    /// With a wait, or nginx would end its client's session for one bad recipient among good ones.
    private static func denial(_ replyCode: String, _ enhancedCode: String?, _ text: String) -> Response {
        let code = enhancedCode.map { "\(replyCode) \($0)" } ?? replyCode
        return Response(status: .ok, headers: [.authStatus: text, .authErrorCode: code, .authWait: "1"])
    }
}

extension HTTPField.Name {
    // The names are nginx's, and tokens: none of these is nil.
    private static func named(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no header's name") }
        return name
    }

    fileprivate static var authMethod: HTTPField.Name { .named("Auth-Method") }
    fileprivate static var authSMTPTo: HTTPField.Name { .named("Auth-SMTP-To") }
    fileprivate static var authStatus: HTTPField.Name { .named("Auth-Status") }
    fileprivate static var authServer: HTTPField.Name { .named("Auth-Server") }
    fileprivate static var authPort: HTTPField.Name { .named("Auth-Port") }
    fileprivate static var authGroup: HTTPField.Name { .named("Auth-Group") }
    fileprivate static var authErrorCode: HTTPField.Name { .named("Auth-Error-Code") }
    fileprivate static var authWait: HTTPField.Name { .named("Auth-Wait") }
}
