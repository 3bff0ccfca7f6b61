import Foundation
import Testing

/// Attacks on the real binder, with its file capability, by an unprivileged user. One parent, so that no two suites
/// write /etc/postern at the same time.
@Suite(.serialized, .works, .enabled(if: World.isHere, Comment(rawValue: World.reason)))
struct BinderAttacks {
    static let policy = """
        smtp  tcp  *:25          bind=postern backlog=77
        http  tcp  127.0.0.1:80  bind=@postern-bind keepalive
        both  tcp  127.0.0.1:26  bind=62525
        both  udp  [::1]:53      bind=62525 reuseport=2
        app   tcp  127.0.0.1:81  bind=postern-app
        other tcp  127.0.0.1:82  get=postern store=postern drop=postern list=postern
        half  tcp  127.0.0.1:83  bind=postern
        half  tcp  127.0.0.1:84  bind=postern-app
        high  tcp  127.0.0.1:2025 bind=postern
        all   tcp  127.0.0.1:85  bind=postern,postern-app,nobody,@nogroup,@postern-bind,root

        """

    /// A program of another kind than the binder, as the caller would find it.
    static func expectRefusal(
        _ outcome: World.Outcome, _ status: Int32, _ message: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.errors.contains(message), "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.errors.filter { $0 == "\n" }.count == 1, sourceLocation: sourceLocation)
        #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    }

    @Suite(.serialized) struct HandingOver {
        init() throws { try World.write(policy: BinderAttacks.policy) }

        @Test("The listeners come as a PB1 reply with their descriptors")
        func reply() throws {
            let outcome = try World.attack("binder.py", "send", "both", "smtp")
            #expect(
                outcome.output == """
                    0
                    PB1 200 OK binder
                    fds=4
                    fd.0=smtp tcp *:25
                    fd.1=both tcp 127.0.0.1:26
                    fd.2=both udp [::1]:53
                    fd.3=both udp [::1]:53
                    :: 25 SOCK_STREAM 1
                    127.0.0.1 26 SOCK_STREAM 1
                    ::1 53 SOCK_DGRAM 0
                    ::1 53 SOCK_DGRAM 0

                    """)
            #expect(outcome.errors.isEmpty)
        }

        @Test(
            "COMMAND finds LISTEN_FDS, its own LISTEN_PID and LISTEN_PIDFDID, and names; none of the caller's stale ones"
        )
        func listenFDs() throws {
            let outcome = try World.attack("binder.py", "listen_fds", "http", "both")
            #expect(
                outcome.output == """
                    0
                    True True
                    4 http:both:both:both yes
                    127.0.0.1 80 SOCK_STREAM True 1
                    127.0.0.1 26 SOCK_STREAM True 1
                    ::1 53 SOCK_DGRAM True 0
                    ::1 53 SOCK_DGRAM True 0

                    """, "\(outcome.errors)")
        }

        @Test("COMMAND has its folder and umask back")
        func restored() throws {
            let outcome = try World.attack("binder.py", "restored")
            #expect(outcome.output == "0\n/var/tmp\n0027\n", "\(outcome.errors)")
        }

        @Test("COMMAND has no capability and may gain privileges of its own")
        func command() throws {
            let outcome = try World.bind(
                "smtp", "--", "/bin/grep", "-E", "^(Cap(Inh|Prm|Eff|Amb)|NoNew|Uid)", "/proc/self/status")
            #expect(
                outcome.output.replacing("\t", with: " ") == """
                    Uid: 62525 62525 62525 62525
                    CapInh: 0000000000000000
                    CapPrm: 0000000000000000
                    CapEff: 0000000000000000
                    CapAmb: 0000000000000000
                    NoNewPrivs: 0

                    """, "\(outcome.errors)")
        }

        @Test("The policy's backlog is the listener's")
        func backlog() throws {
            let outcome = try World.bind("smtp", "--", "/usr/bin/ss", "-Hltn", "sport = :25")
            #expect(
                outcome.output.split(separator: " ").dropFirst(2).first == "77", "\(outcome.output)\(outcome.errors)")
        }

        @Test("All names or none: one that is refused leaves no port bound")
        func allOrNone() throws {
            BinderAttacks.expectRefusal(try World.bind("smtp", "app", "--", "true"), 77, "\"app\": uid 62525 may not")
            BinderAttacks.expectRefusal(try World.bind("smtp", "none", "--", "true"), 78, "\"none\": no such name")
            let outcome = try World.attack("binder.py", "free", "25", "81")
            #expect(outcome.output == "25 111\n81 111\n")
        }

        @Test("A COMMAND that is not there is 69, one that may not be started 77")
        func missingCommand() throws {
            BinderAttacks.expectRefusal(try World.bind("smtp", "--", "/nonexistent"), 69, "exec \"/nonexistent\"")
            BinderAttacks.expectRefusal(try World.bind("smtp", "--", "/etc/passwd"), 77, "exec \"/etc/passwd\"")
        }

        @Test("COMMAND's exit status is the program's")
        func exitStatus() throws {
            #expect(try World.bind("smtp", "--", "/bin/sh", "-c", "exit 42").status == 42)
        }

        @Test("A port in use is said with its socket, its name and what to do")
        func portInUse() throws {
            let outcome = try World.bind("http", "--", World.binder, "http", "--", "true")
            #expect(outcome.status == 0, "the second closes the first's listener: \(outcome.errors)")
            let holder =
                "import socket; s=socket.socket(fileno=3); import subprocess,os; "
                + "r=subprocess.run([os.environ['POSTERN_BINDER'],'http','--','true'],stderr=2); raise SystemExit(r.returncode)"
            BinderAttacks.expectRefusal(
                try World.bind("http", "--", "/usr/bin/python3", "-c", holder), 69,
                "postern-binder: bind tcp 127.0.0.1:80 for \"http\": address in use; stop what has it")
        }

        @Test("--help and --version say so and succeed")
        func help() throws {
            let help = try World.bind("--help")
            #expect(help.status == 0 && help.output.hasPrefix("usage: postern-binder NAME...") && help.errors.isEmpty)
            #expect(try World.bind("--version").output == "postern-binder 0.1.0\n")
        }

        @Test(
            "A wrong command line is 64, with a reason",
            arguments: [
                ([], "no NAME"), (["smtp"], "give one of"), (["--fd", "3"], "no NAME"),
                (["smtp", "--fd"], "from 3 up"),
                (["smtp", "--fd", "2"], "from 3 up"), (["smtp", "--fd", "x"], "from 3 up"),
                (["smtp", "--fd", "99999999999"], "from 3 up"), (["smtp", "--"], "no COMMAND"),
                (["smtp", "--fd", "3", "--", "true"], "give one of"),
                (["smtp", "--store", "--", "true"], "give one of"), (["smtp", "--store", "--fd", "3"], "give one of"),
                (["smtp", "--store", "--store"], "given twice"), (["--store"], "no NAME"),
                (["smtp", "--config", "/tmp/x"], "neither a listener's name nor a known option"),
                (["a/b", "--", "true"], "neither a listener's name"),
                (["smtp", "smtp", "--", "true"], "same NAME twice"),
                ([String(repeating: "n", count: 64), "--", "true"], "neither a listener's name"),
                ((0..<33).map { "n\($0)" } + ["--", "true"], "more than 32 names"),
                (["smtp", "--user", "postern", "--", "true"], "--user is for root"),
            ])
        func usage(arguments: [String], message: String) throws {
            BinderAttacks.expectRefusal(try World.run([World.binder] + arguments), 64, message)
        }
    }

    @Suite(.serialized) struct HostileCaller {
        init() throws { try World.write(policy: BinderAttacks.policy) }

        @Test("No argument at all is a usage error, not a crash")
        func argc0() throws {
            #expect(try World.attack("binder.py", "argc0").output == "64\n64\n")
        }

        @Test("Standard descriptors that are closed become /dev/null, never a socket")
        func closed() throws {
            let outcome = try World.attack("binder.py", "closed")
            let lines = outcome.output.split(separator: "\n")
            // (glibc gives a privileged program /dev/full, 1:7, for a closed standard input.)
            #expect(
                lines.count == 5 && ["0 259", "0 263"].contains(lines[0]) && lines[1] == "1 259" && lines[3] == "25",
                "\(outcome)")
            #expect(lines.last == "0")
        }

        @Test("Descriptors that leak into the binder are closed")
        func leaked() throws {
            let outcome = try World.attack("binder.py", "leaked")
            #expect(outcome.output == "0\n[0, 1, 2, 3]\n", "\(outcome.errors)")
        }

        @Test("--fd that is no connected Unix SEQPACKET socket is refused")
        func wrongPeer() throws {
            #expect(try World.attack("binder.py", "wrong_peer").output == "64\n64\n64\n64\n69\n64\n")
        }

        @Test(
            "A library of the caller's does not run in the binder, nor do glibc's tunables reach it",
            arguments: [
                "LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH",
            ])
        func preload(variable: String) throws {
            let source = "\(World.folder)/evil.c", library = "\(World.folder)/libcap.so.2"
            try World.write(
                """
                #include <unistd.h>
                #include <stdlib.h>
                unsigned la_version(unsigned v) { write(2, "EVIL\\n", 5); return v; }
                __attribute__((constructor)) static void evil(void) { write(2, "EVIL\\n", 5); _exit(66); }
                """, to: source, mode: 0o644)
            let built = try World.run(["/usr/bin/cc", "-shared", "-fPIC", "-o", library, source], as: .root)
            try #require(built.status == 0, "\(built.errors)")
            let value = variable == "LD_LIBRARY_PATH" ? World.folder : library
            let direct = try World.run(
                [
                    "/usr/bin/python3", "-I", "-c",
                    """
                    import os, subprocess, sys
                    r = subprocess.run([os.environ["POSTERN_BINDER"], "smtp", "--", "/usr/bin/env"], capture_output=True,
                                       env={"\(variable)": "\(value)", "GLIBC_TUNABLES": "glibc.malloc.check=3"})
                    print(r.returncode, r.stdout.decode(), r.stderr.decode())
                    """,
                ])
            #expect(direct.output.hasPrefix("0 ") && direct.output.contains("LISTEN_FDS=1"), "\(direct)")
            #expect(!direct.output.contains("malloc.check"))
            #expect(!direct.output.contains("EVIL") && !direct.output.contains("symbol lookup"))
            // The attack itself works: a program without privileges does load it.
            let control = try World.run(
                [
                    "/usr/bin/python3", "-I", "-c",
                    """
                    import subprocess
                    print(subprocess.run(["/usr/sbin/getcap", "/"], capture_output=True, env={"\(variable)": "\(value)"}).stderr)
                    """,
                ])
            #expect(control.output.contains("EVIL") || control.output.contains("symbol lookup error"), "\(control)")
        }

        @Test("Blocked and ignored signals and running timers do not reach the binder; COMMAND gets the first two back")
        func signals() throws {
            let outcome = try World.attack("binder.py", "signals")
            let lines = outcome.output.split(separator: "\n").map { $0.replacing("\t", with: " ") }
            try #require(lines.count >= 4, "\(outcome)")
            #expect(lines[0] == "0")
            #expect(lines[1] == "[0.0, 0.0, 0.0]")
            #expect(lines[2].contains("SigBlk: fffffffe7ffbfeff"), "\(lines[2])")
            #expect(lines[3].hasSuffix("fffbfeff"), "\(lines[3])")
        }

        @Test(
            "While it lives and waits it has no capability, and its own user can neither trace it nor take its listeners"
        )
        func theft() throws {
            let outcome = try World.attack("binder.py", "during")
            #expect(
                outcome.output.replacing("\t", with: " ") == """
                    CapInh 0000000000000000
                    CapPrm 0000000000000000
                    CapEff 0000000000000000
                    CapAmb 0000000000000000
                    NoNewPrivs 1
                    Uid 62525 62525 62525 62525
                    pidfd_getfd 1
                    ptrace -1 1
                    fd 13
                    mem 13
                    environ 13
                    maps 13
                    listening

                    """, "\(outcome.errors)")
        }

        @Test("A peer that never reads does not keep it: 69 after its patience")
        func patience() throws {
            let outcome = try World.attack("binder.py", "patience")
            #expect(
                outcome.output == "69\n" && outcome.errors.contains("send on --fd: connection timed out"), "\(outcome)")
        }

        @Test("A standard error that nobody reads does not keep it, with a port and a capability, for ever")
        func stuck() throws {
            let outcome = try World.attack("binder.py", "stuck")
            #expect(outcome.output == "True 0\n69 111\n", "\(outcome.errors)")
        }

        @Test(
            "A soft limit is raised for the work and given back to COMMAND; a hard one that is too low is refused",
            arguments: [
                (["NOFILE", "16", "-1"], "0\n16\n", ""), (["NOFILE", "4", "4"], "71\n", "below 132"),
                (["NOFILE", "131", "131"], "71\n", "below 132"), (["CORE", "8192", "-1"], "0\n8\n", ""),
                (["FSIZE", "0", "0"], "0\n0\n", ""), (["CPU", "5", "5"], "0\n5\n", ""),
            ])
        func limits(arguments: [String], output: String, errors: String) throws {
            let source = ["limit"] + arguments
            let outcome = try World.attack("binder.py", source[0], source[1], source[2], source[3])
            #expect(outcome.output == output, "\(outcome.errors)")
            #expect(errors.isEmpty ? outcome.errors.isEmpty : outcome.errors.contains(errors))
        }

        @Test("The lowest hard limit of open files that is accepted is enough for the most listeners, either way")
        func lowestLimit() throws {
            let lines = (0..<8).map { "s\($0) tcp 127.0.0.1:\(100 + $0) reuseport=8 bind=postern\n" }
            try World.write(policy: lines.joined())
            defer { try? World.write(policy: BinderAttacks.policy) }
            let outcome = try World.attack("binder.py", "lowest_limit")
            #expect(outcome.output == "0\n0\n", "\(outcome.errors)")
        }

        @Test(
            "An address space or stack that is too small ends it, and nothing is bound",
            arguments: [
                ["AS", "1000000", "1000000"], ["AS", "4000000", "4000000"], ["STACK", "70000", "70000"],
            ])
        func starved(arguments: [String]) throws {
            let outcome = try World.attack("binder.py", "limit", arguments[0], arguments[1], arguments[2])
            let status = Int32(outcome.output.prefix { $0 != "\n" }) ?? -1
            #expect(status != 0, "\(outcome)")
            #expect(try World.attack("binder.py", "free", "25").output == "25 111\n")
        }

        @Test("RLIMIT_FSIZE 0 and standard error in a file do not change the exit status")
        func fsize() throws {
            #expect(try World.attack("binder.py", "fsize").output == "64\n")
        }

        @Test(
            "Another's name, a right other than bind=, and a name half of which is another's are refused",
            arguments: ["app", "other", "half"])
        func notPermitted(name: String) throws {
            BinderAttacks.expectRefusal(
                try World.bind(name, "--", "true"), 77, "\"\(name)\": uid 62525 may not bind it")
        }

        @Test("A user outside the group may not start it at all")
        func outsider() throws {
            #expect(try World.bind("all", "--", "true", user: .app).status == 126)
        }

        @Test("The permission is the policy's, not the group's: a copy of the binder that all may start helps nobody")
        func openBinder() throws {
            let open = "\(World.folder)/open-binder"
            try? FileManager.default.removeItem(atPath: open)
            try FileManager.default.copyItem(atPath: World.binder, toPath: open)
            for command in [["/bin/chmod", "755", open], ["/usr/sbin/setcap", "cap_net_bind_service=p", open]] {
                try #require(try World.run(command, as: .root).status == 0)
            }
            #expect(try World.run([open, "app", "--", "true"], as: .app).status == 0)
            BinderAttacks.expectRefusal(try World.run([open, "smtp", "--", "true"], as: .app), 77, "uid 62526 may not")
            // nobody, and a list with its name and its group: uid and gid 65534 are nobody in particular.
            BinderAttacks.expectRefusal(
                try World.run([open, "all", "--", "true"], as: .nobody), 77, "uid 65534 may not")
        }

        @Test("A setuid program cannot lend its identity: real and effective user must be one")
        func setuidFront() throws {
            let front = "\(World.folder)/front"
            try World.write(
                "#include <unistd.h>\nint main(int c, char **v) { execv(v[1], v + 1); return 99; }\n",
                to: front + ".c", mode: 0o644)
            for command in [
                ["/usr/bin/cc", "-o", front, front + ".c"], ["/bin/chown", "postern:postern-bind", front],
                ["/bin/chmod", "6755", front],
            ] {
                let made = try World.run(command, as: .root)
                try #require(made.status == 0, "\(made.errors)")
            }
            BinderAttacks.expectRefusal(
                try World.run([front, World.binder, "smtp", "--", "true"], as: .app), 77, "real and the effective")
        }
    }
}
