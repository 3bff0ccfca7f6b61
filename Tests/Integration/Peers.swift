import Foundation

/// nginx, smtp-sink, smtp-source, swaks and aiosmtpd as a test starts them; what they run from is scripts/peers' work.
enum Peers {
    /// The article's mail section on port 25; so_keepalive is no directive any more and is left out.
    ///
    /// - Parameter lookup: where it asks: the article's location on port 80.
    static func nginxMail(in network: TestNetwork, asking lookup: String = "127.0.0.1") throws -> RunningProgram {
        try nginx(
            in: network, port: 25,
            """
            load_module \(RelayWorld.mailModule);
            """,
            """
            mail {
                auth_http http://\(lookup)/mail/auth;
                xclient off;
                proxy_pass_error_message on;

                server {
                    listen     25;
                    protocol   smtp;
                    timeout    5s;
                    proxy      on;
                    xclient    off;
                    smtp_auth  none;
                }
            }
            """)
    }

    /// The article's location on port 80, answering lookups.
    ///
    /// - Parameter status: what Auth-Status says: "OK" as published, which accepts everybody, or "$reply".
    static func nginxLookup(in network: TestNetwork, status: String) throws -> RunningProgram {
        let folder = try RelayWorld.newFolder(owner: 62526)
        return try nginx(
            in: network, port: 80, "",
            """
            http {
                access_log off;
                client_body_temp_path \(folder)/1; proxy_temp_path \(folder)/2; fastcgi_temp_path \(folder)/3;
                uwsgi_temp_path \(folder)/4; scgi_temp_path \(folder)/5;
                server {
                    listen 127.0.0.1:80;
                    location = /mail/auth {
                        set $reply ERROR;
                        if ($http_auth_smtp_to ~ flxw.de) {
                            set $reply OK;
                        }
                        add_header Auth-Status \(status);
                        add_header Auth-Server 127.0.0.1;
                        add_header Auth-Port 2525;
                        add_header Auth-Wait 1;
                        return 204;
                    }
                }
            }
            """)
    }

    private static func nginx(
        in network: TestNetwork, port: UInt16, _ before: String, _ sections: String
    ) throws -> RunningProgram {
        let configuration = try RelayWorld.file(
            "nginx.conf",
            """
            \(before)
            daemon off;
            worker_processes 1;
            user postern-app postern-app;
            pid \(try RelayWorld.newFolder())/nginx.pid;
            error_log stderr info;
            events { worker_connections 4096; }
            \(sections)
            """)
        let program = try network.start(
            ["nginx", "-e", "stderr", "-p", RelayWorld.folder, "-c", configuration])
        try network.waitForPort(port, of: program)
        return program
    }

    /// Postfix's smtp-sink as the backend, counting: see `messages(at:)`.
    static func smtpSink(in network: TestNetwork, port: UInt16 = 2525) throws -> RunningProgram {
        let program = try network.start(["smtp-sink", "-c", "-u", "postern-app", "127.0.0.1:\(port)", "1024"])
        try network.waitForPort(port, of: program)
        return program
    }

    /// How many messages smtp-sink has taken: as soon as it is the number wanted, or after the time.
    static func messages(at sink: RunningProgram, wanted: Int, within patience: Duration = .seconds(20)) -> Int {
        // It says "sess=1 quit=0 mesg=1", each time over the last with a carriage return.
        sink.value(
            within: patience,
            of: { text in
                guard let mark = text.range(of: "mesg=", options: .backwards) else { return 0 }
                return Int(text[mark.upperBound...].prefix { $0.isNumber }) ?? 0
            }, until: { $0 >= wanted })
    }

    /// Sends messages with Postfix's smtp-source; fails with all it said unless every one was accepted.
    static func smtpSource(
        in network: TestNetwork, port: UInt16, messages: Int, bytes: Int = 1000, sessions: Int = 20,
        to: String = "user@flxw.de", manyPerConnection: Bool = false
    ) throws {
        let command =
            [
                "smtp-source", "-s", "\(sessions)", "-m", "\(messages)", "-l", "\(bytes)",
                "-f", "sender@example.org", "-t", to, "-M", "client.example.org",
            ] + (manyPerConnection ? ["-d"] : []) + ["127.0.0.1:\(port)"]
        let (status, text) = try network.run(command, within: .seconds(180))
        guard status == 0, text.isEmpty else { throw HarnessError("smtp-source: status \(status): \(text)") }
    }

    /// Sends one message with swaks: its exit status and the dialogue that it shows.
    static func swaks(
        in network: TestNetwork, port: UInt16, to: String, _ more: [String] = []
    ) throws -> (status: Int32, text: String) {
        try network.run(
            [
                "swaks", "--server", "127.0.0.1:\(port)", "--helo", "client.example.org",
                "--from", "sender@example.org", "--to", to,
            ] + more)
    }

    /// Python's aiosmtpd as the web app, reading as slowly as it is told to.
    ///
    /// For each message it prints `arrived SIZE SHA256`, of the bytes after the relay's Received field.
    ///
    /// - Parameter pause: seconds that it sleeps after each MiB of content.
    static func slowApp(in network: TestNetwork, pause: Double, port: UInt16 = 2525) throws -> RunningProgram {
        let program = """
            import asyncio, hashlib, re, time
            from aiosmtpd.smtp import SMTP

            class Slow(asyncio.StreamReader):
                taken = 0
                async def readuntil(self, separator=b"\\n"):
                    line = await super().readuntil(separator)
                    self.taken += len(line)
                    if self.taken >= 1 << 20:
                        self.taken = 0
                        await asyncio.sleep(\(pause))
                    return line

            class App(SMTP):
                def _client_connected_cb(self, reader, writer):
                    reader.__class__ = Slow
                    super()._client_connected_cb(reader, writer)

            class Handler:
                async def handle_DATA(self, server, session, envelope):
                    content = envelope.original_content
                    trace = re.match(rb"Received:[^\\r]*\\r\\n(?:[ \\t][^\\r]*\\r\\n)*", content)
                    content = memoryview(content)[trace.end() if trace else 0:]
                    print("arrived", len(content), hashlib.sha256(content).hexdigest(), flush=True)
                    return "250 2.0.0 taken"

            async def main():
                loop = asyncio.get_running_loop()
                def make():
                    return App(Handler(), data_size_limit=None, hostname="app.flxw.de", loop=loop)
                server = await loop.create_server(make, "127.0.0.1", \(port))
                print("listening", flush=True)
                await server.serve_forever()

            asyncio.run(main())
            """
        let app = try network.start(["python3", "-c", program], as: "postern-app")
        _ = try app.line { $0 == "listening" }
        return app
    }
}
