import NIOCore

/// The parts of a request that are the same each time.
struct LookupTarget {
    /// The request line and Host.
    fileprivate let head: ByteBuffer
    /// The configured headers and the empty line.
    fileprivate let tail: ByteBuffer
    /// Octets to reserve for a request.
    fileprivate let capacity: Int
    /// Whether headers are sent that nginx has not.
    fileprivate let hasMoreHeaders: Bool

    init(_ configuration: LookupConfiguration, _ endpoint: LookupEndpoint) {
        self.hasMoreHeaders = configuration.sendsMoreHeaders
        // The host without its port, as nginx writes it, whatever the port.
        let host = endpoint.host.utf8.contains(UInt8(ascii: ":")) ? "[\(endpoint.host)]" : endpoint.host
        self.head = ByteBuffer(string: "GET \(endpoint.target) HTTP/1.1\r\nHost: \(host)\r\n")
        let extra = configuration.extraHeaders.map { "\($0.name): \($0.value)\r\n" }.joined()
        self.tail = ByteBuffer(string: extra + "\r\n")
        self.capacity = self.head.readableBytes + self.tail.readableBytes + 512
    }
}

extension LookupRequest {
    /// The octets of the request.
    ///
    /// Fails with ``LookupError/Code/forbiddenOctet`` where a value holds a control that could end a header line or a
    /// string: nothing may be left out of it quietly, or the server would judge another recipient than the one asked
    /// about.
    func encode(to target: LookupTarget) throws(LookupError) -> ByteBuffer {
        var writer = HeaderWriter(target.head, capacity: target.capacity)
        self.writeMethod(to: &writer)
        writer.write("Auth-Protocol: smtp\r\nAuth-Login-Attempt: ", String(self.loginAttempt))
        writer.write("Client-IP: ", self.clientIP)
        writer.write("Client-Host: ", self.clientHost.text)
        self.writeProxy(to: &writer)
        if case .none(let envelope) = self.method {
            writer.write("Auth-SMTP-Helo: ", envelope.helo)
            writer.write("Auth-SMTP-From: ", envelope.mailCommand)
            writer.write("Auth-SMTP-To: ", envelope.recipientCommand)
        }
        if let tls = self.tls {
            writer.write("Auth-SSL: ", "on")
            if !tls.protocolVersion.isEmpty { writer.write("Auth-SSL-Protocol: ", tls.protocolVersion) }
            if !tls.cipher.isEmpty { writer.write("Auth-SSL-Cipher: ", tls.cipher) }
            self.writeCertificate(tls, to: &writer)
        }
        if target.hasMoreHeaders { self.writeMore(to: &writer) }
        return try writer.finish(target.tail)
    }

    /// What nginx has not: behind all that it has.
    private func writeMore(to writer: inout HeaderWriter) {
        if let port = self.clientPort { writer.write("Client-Port: ", String(port)) }
        guard case .none(let envelope) = self.method else { return }
        writer.write("Auth-SMTP-From-Address: ", envelope.fromAddress)
        writer.write("Auth-SMTP-To-Address: ", envelope.toAddress)
    }

    private func writeMethod(to writer: inout HeaderWriter) {
        switch self.method {
        case .none:
            writer.write("Auth-Method: none\r\nAuth-User: \r\nAuth-Pass: ", "")
        case .plain(let user, let password):
            writer.write("Auth-Method: ", "plain")
            writer.write("Auth-User: ", escaping: user)
            writer.write("Auth-Pass: ", escaping: password)
        case .cramMD5(let user, let digest, let salt):
            writer.write("Auth-Method: ", "cram-md5")
            writer.write("Auth-User: ", escaping: user)
            writer.write("Auth-Pass: ", escaping: digest)
            writer.write("Auth-Salt: ", String(decoding: salt, as: UTF8.self))
        case .external(let user):
            writer.write("Auth-Method: ", "external")
            writer.write("Auth-User: ", escaping: user)
            writer.write("Auth-Pass: ", "")
        }
    }

    private func writeCertificate(_ tls: TLSFacts, to writer: inout HeaderWriter) {
        guard !tls.verification.isEmpty else { return }
        writer.write("Auth-SSL-Verify: ", tls.verification)
        if !tls.subject.isEmpty { writer.write("Auth-SSL-Subject: ", tls.subject) }
        if !tls.issuer.isEmpty { writer.write("Auth-SSL-Issuer: ", tls.issuer) }
        if !tls.serial.isEmpty { writer.write("Auth-SSL-Serial: ", tls.serial) }
        if !tls.fingerprint.isEmpty { writer.write("Auth-SSL-Fingerprint: ", tls.fingerprint) }
        if !tls.certificate.isEmpty { writer.write("Auth-SSL-Cert: ", escaping: tls.certificate) }
    }

    private func writeProxy(to writer: inout HeaderWriter) {
        guard let proxy = self.proxy else { return }
        writer.write("Proxy-Protocol-Addr: ", Self.clientIP(of: proxy.source))
        writer.write("Proxy-Protocol-Port: ", String(proxy.source.port ?? 0))
        writer.write("Proxy-Protocol-Server-Addr: ", Self.clientIP(of: proxy.destination))
        writer.write("Proxy-Protocol-Server-Port: ", String(proxy.destination.port ?? 0))
    }
}

/// The only thing that puts a value into a request, and so the one place that has to keep a value from ending its line.
private struct HeaderWriter {
    private var buffer: ByteBuffer
    private var offender: StaticString?

    init(_ head: ByteBuffer, capacity: Int) {
        var buffer = ByteBufferAllocator().buffer(capacity: capacity)
        buffer.writeImmutableBuffer(head)
        self.buffer = buffer
    }

    /// Writes a header whose value goes out as it is.
    mutating func write(_ name: StaticString, _ value: String) {
        // CR, LF and NUL forge headers everywhere; VT, FF and FS to RS end a line for parsers that split as Python's
        // str.splitlines() does. A tab is white space and may pass.
        let octets = value.utf8Span.span
        for index in octets.indices where octets[index] < 0x20 && octets[index] != 0x09 || octets[index] == 0x7F {
            self.offender = self.offender ?? name
            return
        }
        self.buffer.writeStaticString(name)
        self.buffer.writeString(value)
        self.buffer.writeStaticString("\r\n")
    }

    /// Writes a header whose value has controls, spaces and `%` as `%XX`; every other octet as it is.
    mutating func write(_ name: StaticString, escaping value: [UInt8]) {
        self.buffer.writeStaticString(name)
        for octet in value {
            if octet <= 0x20 || octet == UInt8(ascii: "%") {
                self.buffer.writeInteger(UInt8(ascii: "%"))
                self.buffer.writeInteger(Self.hexDigit(octet >> 4))
                self.buffer.writeInteger(Self.hexDigit(octet & 0x0F))
            } else {
                self.buffer.writeInteger(octet)
            }
        }
        self.buffer.writeStaticString("\r\n")
    }

    /// Ends the request, unless a value could not be written.
    consuming func finish(_ tail: ByteBuffer) throws(LookupError) -> ByteBuffer {
        if let offender = self.offender {
            throw LookupError(.forbiddenOctet, "lookup: a control character in \"\(offender)\" cannot be sent")
        }
        self.buffer.writeImmutableBuffer(tail)
        return self.buffer
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }
}
