import Foundation
import Testing

/// postern-exec as a process: every source, every dialect, every way to fail. Each test has a network of its own, with
/// its own policy for the real binder, and a scripted broker where one is asked.
@Suite("postern-exec", .works, .enabled(if: ExecWorld.isHere, Comment(rawValue: World.reason)))
struct ExecTests {
    @Suite struct Sources {
        @Test("systemd: the listeners of the NAMEs, in the NAMEs' order; the others are closed")
        func systemd() throws {
            #expect(
                try ExecWorld.attack("systemd", "c", "b") == """
                    0
                    True True c:b:b
                    3 2003 SOCK_STREAM
                    4 2012 SOCK_STREAM
                    5 2002 SOCK_STREAM
                    lease None nginx None
                    [0, 1, 2, 3, 4, 5]
                    """)
        }

        @Test("systemd: a datagram socket is a listener, and a name that is not among them is 69")
        func systemdNames() throws {
            #expect(try ExecWorld.attack("systemd", "--from", "systemd", "a").contains("3 2001 SOCK_DGRAM"))
            #expect(
                try ExecWorld.attack("systemd", "--from", "systemd", "a", "z") == """
                    69
                    postern-exec: get "z" from systemd (LISTEN_FDS): this process was not given it; name its socket so \
                    in the unit (FileDescriptorName=)
                    """)
        }

        @Test(
            "LISTEN_FDS that is wrong is 78, and another process's is none",
            arguments: [
                ("LISTEN_PID=x", "78", "LISTEN_PID is not a number"), ("LISTEN_PID=1", "69", "not given"),
                ("LISTEN_PIDFDID=x", "78", "LISTEN_PIDFDID is not a number"), ("LISTEN_PIDFDID=7", "69", "not given"),
                ("LISTEN_FDS=0", "78", "from 1 up"), ("LISTEN_FDS=9", "78", "is not open"),
                ("LISTEN_PID=-", "69", "not given"),
                ("LISTEN_FDNAMES=a:b", "78", "another count of names"), ("LISTEN_FDNAMES=-", "69", "not given"),
            ])
        func wrongEnvironment(variable: String, status: String, message: String) throws {
            let text = try ExecWorld.attack("inherited", "systemd", variable)
            #expect(text.hasPrefix(status + "\npostern-exec: ") && text.contains(message), "\(text)")
        }

        @Test(
            "broker: one GET; the lease is the connection, open in COMMAND and its child; nothing stale is left",
            arguments: [[], ["stale"]])
        func broker(more: [String]) throws {
            #expect(
                try ExecWorld.attack(["broker"] + more) == """
                    PB1 GET exec
                    name=b
                    name=a
                    mode=exclusive
                    wait=7000
                    0
                    True True b:a
                    3 2002 SOCK_STREAM
                    4 2001 SOCK_STREAM
                    lease 6 nginx \(more.isEmpty ? "None" : "9;")
                    [0, 1, 2, 3, 4, 6]
                    ['PB1 HELLO command'] False
                    True
                    """)
        }

        @Test("Without a lease there is no POSTERN_LEASE_FD, whatever was inherited")
        func staleLease() throws {
            #expect(try ExecWorld.attack("stale_lease").hasSuffix("lease None nginx None\n[0, 1, 2, 3]"))
        }

        @Test("The broker's own place is asked where POSTERN_BROKER is empty")
        func defaultPath() throws {
            #expect(try ExecWorld.attack("default_path", user: "root") == "0\n3\nTrue")
        }

        @Test("auto: what LISTEN_FDS lacks is asked of the broker, together; the order is the NAMEs'")
        func mixed() throws {
            #expect(
                try ExecWorld.attack("mixed") == """
                    PB1 GET exec
                    name=d
                    name=a
                    0
                    True True d:c:a:b
                    3 2004 SOCK_STREAM
                    4 2003 SOCK_STREAM
                    5 2001 SOCK_STREAM
                    6 2002 SOCK_STREAM
                    lease 8 nginx None
                    [0, 1, 2, 3, 4, 5, 6, 8]
                    """)
        }

        @Test("The lease never has a listener's number, wherever the connection was")
        func gaps() throws {
            #expect(
                try ExecWorld.attack("gaps") == """
                    0
                    True True a:b:b
                    3 2001 SOCK_STREAM
                    4 2002 SOCK_STREAM
                    5 2003 SOCK_STREAM
                    lease 6 nginx None
                    [0, 1, 2, 3, 4, 5, 6]
                    """)
        }

        @Test("auto: the binder, where no broker is, or nobody listens on its socket", arguments: ["none", "refused"])
        func binder(how: String) throws {
            #expect(
                try ExecWorld.attack("absent", how, "http", "smtp") == """
                    0
                    True True http:http:smtp
                    3 80 SOCK_STREAM
                    4 80 SOCK_STREAM
                    5 25 SOCK_STREAM
                    lease None nginx None
                    [0, 1, 2, 3, 4, 5]
                    """)
        }

        @Test("auto: the binder, where the broker does not have it")
        func missing() throws {
            #expect(try ExecWorld.attack("refused", "auto", "404", "not stored").hasPrefix("0\nTrue True smtp\n3 25 "))
        }

        @Test("A binder that refuses: its own line, and one that says who was asked and why; its status")
        func binderRefuses() throws {
            #expect(
                try ExecWorld.attack("absent", "none", "app", "smtp") == """
                    77
                    postern-binder: "app": uid 62525 may not bind it; who may is said in /etc/postern/sockets.conf \
                    (bind=USER,@GROUP)
                    postern-exec: get "app", "smtp" from BINDER: it ended with status 77; the line before this one, if \
                    there is one, says why; no broker listens at BROKER
                    """)
            let unknown = try ExecWorld.attack("refused", "auto", "404", "", "none")
            #expect(
                unknown.hasPrefix("78\n") && unknown.hasSuffix("; not all is with the broker at BROKER"), "\(unknown)")
        }

        @Test(
            "A refusal of the broker's is the end, and no binder is asked",
            arguments: [
                (["auto", "403", "uid 7 may not get it"], "77", "denied: uid 7 may not get it"),
                (["broker", "403", ""], "77", "denied"),
                (["broker", "404", "not stored"], "69", "missing: not stored"),
                (["auto", "409", "held"], "69", "busy: held; --wait SECONDS waits until it is free"),
                (["auto", "409", "held", "--wait", "1"], "69", "busy: held"),
                (["auto", "429", "no"], "69", "refused with 429: no"), (["auto", "408", ""], "69", "refused with 408"),
                (["auto", "500", "no"], "71", "refused with 500: no"), (["auto", "503", ""], "69", "refused with 503"),
                (["auto", "400", "no"], "71", "refused with 400: no"), (["auto", "413", ""], "64", "refused with 413"),
            ])
        func refused(arguments: [String], status: String, message: String) throws {
            let text = try ExecWorld.attack(["refused"] + arguments)
            #expect(text == "\(status)\npostern-exec: get \"smtp\" from BROKER: \(message)")
        }

        @Test("A broker that is not there, without the binder to turn to, is 69")
        func noBroker() throws {
            #expect(
                try ExecWorld.attack("absent", "none", "--from", "broker", "a", "b", "c", "d", "e") == """
                    69
                    postern-exec: get "a", "b", "c", "d" and 1 more from BROKER: connect: no such file or directory; \
                    does postern-broker run?
                    """)
        }
    }

    @Suite(.waits) struct Hostile {
        @Test(
            "A broker that lies: nothing is started",
            arguments: [
                ("file", "71", "not a socket: \"a\""), ("not-listening", "71", "not listening: \"a\""),
                ("elsewhere", "71", "bound elsewhere: \"a\""), ("udp", "71", "another kind of socket: \"a\""),
                ("missing-line", "71", "a descriptor without its line"), ("no-spec", "71", "a spec is tcp or udp"),
                ("surplus", "71", "another number of descriptors"), ("none", "71", "another number of descriptors"),
                ("no-fds", "71", "a name is without a descriptor"),
                ("tag", "71", "the reply to another request: \"other\""),
                ("name", "71", "a descriptor of a name that was not asked for: \"b\""),
                ("twice", "71", "not a PB1 reply"),
                ("lacking", "71", "a name is without a descriptor"), ("cut", "71", "cut off"),
                ("too-many", "71", "cut off"),
                ("refusal-with-descriptor", "71", "another number of descriptors"), ("binary", "71", "not a PB1 reply"),
                ("long-spec", "71", "a spec is tcp or udp"), ("long-reason", "77", "denied: xxxxx"),
                ("text", "71", "not a PB1 reply"), ("empty", "69", "closed the connection"),
                ("closes", "69", "closed the connection"), ("silent", "69", "wait for the reply: connection timed out"),
            ])
        func broker(way: String, status: String, message: String) throws {
            let text = try ExecWorld.attack("hostile", way)
            #expect(text.hasPrefix("\(status)\npostern-exec: get \"a\""), "\(text)")
            #expect(text.contains(" from BROKER: ") && text.contains(message), "\(text)")
            #expect(text.split(separator: "\n").count == 2)
        }

        @Test(
            "A binder that is none: nothing is started, and no run is longer than its time",
            arguments: [
                ("sys.exit(3)", "71", "it ended with status 3;"), ("sys.exit(69)", "69", "it ended with status 69;"),
                ("os.kill(os.getpid(), 9)", "71", "it ended with status 137;"), ("", "71", "it sent no PB1 packet"),
                ("peer.send(b'PB1 200 OK exec\\n')", "71", "the reply to another request: \"exec\""),
                ("peer.send(b'PB1 404 MISSING binder\\n')", "69", "missing"),
                ("peer.send(b'x')", "71", "not a PB1 reply"),
                ("os.fork() or time.sleep(9)", "71", "it sent no PB1 packet"),
                ("time.sleep(50)", "69", "wait for its end: connection timed out; it was killed"),
            ])
        func binder(script: String, status: String, message: String) throws {
            let text = try ExecWorld.attack("binder", script)
            #expect(text.hasPrefix("\(status)\npostern-exec: get \"a\" from BINDER: "), "\(text)")
            #expect(text.contains(message), "\(text)")
        }

        @Test("A binder has its socket as 3, no environment, --fd 3, and an answer that counts without its status")
        func binderArguments() throws {
            let script = """
                import array
                s = socket.create_server(("127.0.0.1", 2001))
                assert sys.argv[1:] == ["a", "--fd", "3"] and set(os.environ) <= {"LC_CTYPE", "PWD", "SHLVL", "_"}, os.environ
                text = b"PB1 200 OK binder\\nfds=1\\nfd.0=a tcp 127.0.0.1:2001\\n"
                peer.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
                """
            #expect(
                try ExecWorld.attack("binder", script, "ignore-sigchld").hasPrefix(
                    "0\nTrue True a\n3 2001 SOCK_STREAM\n"))
        }

        @Test("A set-id copy is refused", arguments: ["4755", "2755"])
        func setID(mode: String) throws {
            // (By a program that is gone then: what is open for writing anywhere cannot be started.)
            let copy = try RelayWorld.newFolder() + "/postern-exec"
            let install = ["install", "-o", "postern-app", "-g", "postern-app", "-m", mode, ExecWorld.program, copy]
            #expect(try RunningProgram.run(install).0 == 0)
            #expect(try ExecWorld.attack("set_id", copy).hasPrefix("77\npostern-exec: the real and the effective user"))
        }
    }

    @Suite struct Dialects {
        @Test("Placeholders become numbers, wherever they stand in an ARG")
        func placeholders() throws {
            let text = try ExecWorld.attack(
                "arguments", "{fd:a}", "x{fd:b}y{fd:b:0}z{fd:b:1}", "{fd:c}{fd:a}", "{}{fd}{", "", "fd@{{fd:c}}")
            #expect(text == "0\n3|x4y4z5|63|{}{fd}{||fd@{6}")
        }

        @Test(
            "What begins like a placeholder and is none is a usage error",
            arguments: [
                ("{fd:z}", "\"{fd:z}\": a placeholder is"), ("{fd:}", "\"{fd:}\": a placeholder is"),
                ("x{fd:a", "\"{fd:a\": a placeholder is"), ("{fd:a:}", "\"{fd:a:}\": a placeholder is"),
                ("{fd:a:x}", "a placeholder is"), ("{fd:a:64}", "a placeholder is"), ("{fd:a:00}", "a placeholder is"),
                ("{fd:A}", "a placeholder is"), ("{fd:a:0:0}", "a placeholder is"),
                ("{fd:", "\"{fd:\": a placeholder is"),
                ("{fd:a}{fd:b:2}", "\"{fd:b:2}\": the NAME has fewer sockets"),
            ])
        func wrongPlaceholders(argument: String, message: String) throws {
            let text = try ExecWorld.attack("arguments", argument)
            #expect(text.hasPrefix("64\npostern-exec: \"{fd:") && text.contains(message), "\(text)")
        }

        @Test("ARGs with placeholders may have 64 KiB together, the others any length")
        func longArguments() throws {
            #expect(
                try ExecWorld.attack("long_arguments") == """
                    0
                    [(32767, '3x', 'xx'), (100000, 'pl', 'in'), (32767, 'yy', 'y3')]
                    64
                    postern-exec: the ARGs with placeholders are above 64 KiB together
                    """)
        }

        @Test("64 sockets of 32 names, in nginx's dialect too; 65 are refused")
        func most() throws {
            #expect(
                try ExecWorld.attack("most") == "0\n64 64 65;66;\n64\npostern-exec: more than 64 sockets at once")
        }

        @Test("nginx's listeners do not block, or a worker would wait in accept(2); others are as they came")
        func blocking() throws {
            #expect(try ExecWorld.attack("blocking") == "0\n[True, True]\n0\n[False, False]")
        }

        @Test("--speak stdin: the one listener is descriptor 0 too; two sockets under the NAME are refused")
        func stdin() throws {
            #expect(
                try ExecWorld.attack("stdin") == """
                    0
                    [2001, 2001]
                    64
                    postern-exec: --speak stdin: the NAME has more than one socket, and descriptor 0 is one
                    """)
        }

        @Test("nginx, as nobody in particular, serves the port 80 that it is given")
        func nginx() throws {
            let network = try TestNetwork(policy: "http tcp 127.0.0.1:80 bind=postern\n")
            let folder = try RelayWorld.newFolder(owner: 62525)
            let configuration = try RelayWorld.file(
                "nginx.conf",
                """
                daemon off; worker_processes 1; pid \(folder)/pid; error_log stderr info;
                events { worker_connections 64; }
                http {
                    access_log off;
                    client_body_temp_path \(folder)/1; proxy_temp_path \(folder)/2; fastcgi_temp_path \(folder)/3;
                    uwsgi_temp_path \(folder)/4; scgi_temp_path \(folder)/5;
                    server { listen 127.0.0.1:80; return 200 "from nginx\\n"; }
                }
                """)
            let program = try network.start(
                [
                    "env", ExecWorld.program, "--from", "binder", "--speak", "nginx", "http", "--", "nginx", "-e",
                    "stderr",
                    "-p", folder, "-c", configuration,
                ], as: "postern")
            defer { program.stop() }
            try network.waitForPort(80, of: program)
            let answer = try network.run(["python3", "-c", Self.fetch])
            #expect(answer.text == "from nginx", "\(answer.text)\n\(program.text)")
            #expect(program.text.contains("using inherited sockets from \"3;\""), "\(program.text)")
        }

        private static let fetch = """
            import urllib.request
            print(urllib.request.urlopen("http://127.0.0.1/", timeout=20).read().decode(), end="")
            """
    }

    @Suite struct Surroundings {
        @Test("Standard descriptors that are closed become /dev/null, never a socket")
        func closed() throws {
            #expect(try ExecWorld.attack("closed") == "0\n['/dev/null', '/dev/null', '/dev/null'] 2001")
        }

        @Test("No argument at all is a usage error, not a crash")
        func argc0() throws {
            let line = "postern-exec: no NAME (see --help)"
            #expect(try ExecWorld.attack("argc0") == "\(line)\n\(line)\n64\n64")
        }

        @Test("253 descriptors open at the start and a limit of 256: they are closed, and all is well")
        func crowded() throws {
            #expect(
                try ExecWorld.attack("crowded") == """
                    0
                    True True a:b
                    3 2001 SOCK_STREAM
                    4 2002 SOCK_STREAM
                    lease 6 nginx None
                    [0, 1, 2, 3, 4, 6]
                    """)
        }

        @Test("Too few descriptors for what comes: 71, and nothing is started", arguments: ["4", "5", "6"])
        func starved(limit: String) throws {
            let text = try ExecWorld.attack("starved", limit)
            #expect(text.hasPrefix("71\npostern-exec: "), "\(text)")
        }

        @Test("COMMAND has folder, umask, signals, limits and environment as they were")
        func untouched() throws {
            #expect(
                try ExecWorld.attack("untouched") == """
                    0
                    /var/tmp 0o27 SIG_IGN ['SIGUSR2'] (0, 0) (77, 99)
                    ['/run/x', '5', '7', '', '9;', 'yyyyyyyyy']
                    """)
        }

        @Test("A COMMAND that is not there is 69, one that may not be started 77; its own status is its own")
        func command() throws {
            for (command, status, message) in [
                ("/nonexistent", "69", "exec \"/nonexistent\": no such file"),
                ("/etc/passwd", "77", "exec \"/etc/passwd\":"),
                ("no-such-command", "69", "exec \"no-such-command\""), ("false", "1", "1"),
            ] {
                let text = try ExecWorld.attack("command", command)
                #expect(text.hasPrefix(status) && text.contains(message), "\(text)")
            }
        }

        @Test("--help and --version say so and succeed")
        func help() throws {
            let help = try World.run([ExecWorld.program, "--help"])
            #expect(help.status == 0 && help.output.hasPrefix("usage: postern-exec [OPTION]...") && help.errors.isEmpty)
            #expect(try World.run([ExecWorld.program, "a", "--version"]).output == "postern-exec 0.1.0\n")
        }

        @Test(
            "A wrong command line is 64, with a reason, before anybody is asked",
            arguments: [
                ([], "no NAME"), (["--", "true"], "no NAME"), (["a"], "no COMMAND"), (["a", "--"], "no COMMAND"),
                (["a", "--from", "--", "true"], "--from takes"), (["--from"], "--from takes"),
                (["a", "--from", "Auto", "--", "true"], "--from takes"), (["--speak", "perl"], "--speak takes"),
                (["--mode", "exclusively"], "--mode takes"), (["--wait", "61"], "--wait takes"),
                (["--wait", "-1"], "--wait takes"), (["--wait", "1.5"], "--wait takes"), (["--wait"], "--wait takes"),
                (["--form", "auto"], "\"--form\": not a known option"), (["-x"], "\"-x\": not a listener's name"),
                (["a/b", "--", "true"], "\"a/b\": not a listener's name"),
                (["", "--", "true"], "\"\": not a listener's"),
                ([String(repeating: "n", count: 64), "--", "true"], "not a listener's name"),
                (["a", "b", "a", "--", "true"], "the same NAME twice"),
                ((0..<33).map { "n\($0)" } + ["--", "true"], "more than 32 NAMEs"),
                (["a", "b", "--speak", "stdin", "--", "true"], "--speak stdin takes one NAME"),
                (["a", "--from", "binder", "--wait", "1", "--", "true"], "--mode and --wait are the broker's"),
                (["a", "--from", "systemd", "--mode", "shared", "--", "true"], "--mode and --wait are the broker's"),
                (["a", "--", "true", "{fd:b}"], "a placeholder is {fd:NAME}"),
            ])
        func usage(arguments: [String], message: String) throws {
            let outcome = try World.run([ExecWorld.program] + arguments)
            #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome)")
            #expect(outcome.errors.hasPrefix("postern-exec: ") && outcome.errors.contains(message), "\(outcome.errors)")
            #expect(outcome.errors.filter { $0 == "\n" }.count == 1)
        }
    }
}
