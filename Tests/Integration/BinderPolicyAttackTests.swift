import Foundation
import Testing

extension BinderAttacks {
    @Suite(.serialized) struct Policy {
        init() throws {
            try World.write(policy: BinderAttacks.policy)
            try self.root("/bin/chmod", "755", "/etc/postern")
            try self.root("/bin/chown", "root", "/etc/postern")
        }

        private func root(_ command: String...) throws {
            let outcome = try World.run(command, as: .root)
            try #require(outcome.status == 0, "\(outcome.errors)")
        }

        private func expectRefusal(_ message: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
            BinderAttacks.expectRefusal(
                try World.bind("smtp", "--", "true"), 78, message, sourceLocation: sourceLocation)
        }

        @Test("A policy that is not there is said so")
        func missing() throws {
            try self.root("/bin/rm", World.policyPath)
            try self.expectRefusal("postern-binder: /etc/postern/sockets.conf: no such file or directory")
        }

        @Test("A policy that the caller may not read is refused, with what to do")
        func unreadable() throws {
            try self.root("/bin/chmod", "600", World.policyPath)
            try self.expectRefusal("sockets.conf: permission denied; make it readable: 0644, or 0640 and the group")
        }

        @Test("A policy that is not root's is refused")
        func owner() throws {
            try self.root("/bin/chown", "postern", World.policyPath)
            try self.expectRefusal("/etc/postern/sockets.conf: not owned by root: chown root")
        }

        @Test("A policy that others may write is refused", arguments: ["664", "646", "666"])
        func writable(mode: String) throws {
            try self.root("/bin/chmod", mode, World.policyPath)
            try self.expectRefusal("/etc/postern/sockets.conf: writable by others than root: chmod go-w")
        }

        @Test("A folder above the policy that is not root's, or that others may write, is refused")
        func folder() throws {
            try self.root("/bin/chmod", "1777", "/etc/postern")
            try self.expectRefusal("postern-binder: /etc/postern: writable by others")
            try self.root("/bin/chmod", "755", "/etc/postern")
            try self.root("/bin/chown", "postern", "/etc/postern")
            try self.expectRefusal("postern-binder: /etc/postern: not owned by root")
            try self.root("/bin/chown", "root", "/etc/postern")
            try self.root("/bin/chmod", "775", "/etc")
            defer { try? self.root("/bin/chmod", "755", "/etc") }
            try self.expectRefusal("postern-binder: /etc: writable by others")
        }

        @Test("A policy, or its folder, that is a symbolic link is not followed, root's target or not")
        func symbolicLink() throws {
            try self.root("/bin/mv", World.policyPath, "/etc/postern/real.conf")
            try self.root("/bin/ln", "-s", "real.conf", World.policyPath)
            try self.expectRefusal("/etc/postern/sockets.conf: a symbolic link")
            try self.root("/bin/rm", World.policyPath)
            try self.root("/bin/mv", "/etc/postern/real.conf", World.policyPath)
            try self.root("/bin/mv", "/etc/postern", "/etc/postern-real")
            try self.root("/bin/ln", "-s", "postern-real", "/etc/postern")
            defer { try? self.root("/bin/sh", "-c", "rm /etc/postern && mv /etc/postern-real /etc/postern") }
            try self.expectRefusal("postern-binder: /etc/postern: a symbolic link")
        }

        @Test("A policy that is a folder or a FIFO is refused, without waiting for a writer")
        func otherKinds() throws {
            try self.root("/bin/sh", "-c", "rm \(World.policyPath); mkfifo -m 644 \(World.policyPath)")
            try self.expectRefusal("/etc/postern/sockets.conf: not a regular file")
            try self.root("/bin/sh", "-c", "rm \(World.policyPath); mkdir -m 755 \(World.policyPath)")
            defer { try? self.root("/bin/rmdir", World.policyPath) }
            try self.expectRefusal("/etc/postern/sockets.conf: not a regular file")
        }

        @Test("A policy has 64 KiB at most")
        func length() throws {
            let policy = BinderAttacks.policy
            let comment = "#" + String(repeating: "x", count: 65536 - policy.utf8.count - 1)
            try World.write(policy: policy + comment)
            #expect(try World.bind("smtp", "--", "true").status == 0)
            try World.write(policy: policy + comment + "x")
            try self.expectRefusal("/etc/postern/sockets.conf: longer than 64 KiB")
        }

        @Test(
            "One line that cannot be read refuses the whole policy, with line and column",
            arguments: [
                ("http tcp 1.2.3:4", "11:10: \"1.2.3\": not an address"),
                ("x tcp *:1 bind=\u{0}", "11:16: \"?\": control"),
                ("x tcp *:1 bind=65534", "11:16: \"65534\": 65534 stands for"),
                ("x tcp *:1 get", "11:14: a value is missing"),
            ])
        func badLine(line: String, message: String) throws {
            try World.write(policy: BinderAttacks.policy + line + "\n")
            try self.expectRefusal("postern-binder: /etc/postern/sockets.conf:\(message)")
        }

        @Test("While the policy is exchanged as fast as can be, only what it permits is ever bound")
        func exchange() throws {
            let good = "smtp tcp *:25 bind=postern\n"
            try World.write(policy: good)
            let script = """
                import os, threading, subprocess
                binder = os.environ["POSTERN_BINDER"]
                stop = False
                def exchange():
                    while not stop:
                        for uid, text in ((62525, "other tcp 127.0.0.1:82 bind=postern\\n"), (0, "\(good.dropLast())\\n")):
                            with open("/etc/postern/new", "w") as file: file.write(text)
                            os.chown("/etc/postern/new", uid, 0)
                            os.rename("/etc/postern/new", "/etc/postern/sockets.conf")
                thread = threading.Thread(target=exchange); thread.start()
                seen = {}
                for name in ["other", "smtp"] * 40:
                    r = subprocess.run(["/usr/bin/setpriv", "--reuid", "postern", "--regid", "postern", "--init-groups",
                        "--", "/usr/bin/env", binder, name, "--", "true"], stderr=subprocess.DEVNULL)
                    seen.setdefault(name, set()).add(r.returncode)
                stop = True; thread.join()
                print(sorted(seen["other"]), {0} <= seen["smtp"] <= {0, 78})
                """
            let outcome = try World.run(["/usr/bin/python3", "-I", "-c", script], as: .root)
            #expect(outcome.output == "[78] True\n", "\(outcome)")
        }

        @Test("/etc/passwd that others may write decides nothing")
        func accounts() throws {
            try self.root("/bin/chmod", "666", "/etc/passwd")
            defer { try? self.root("/bin/chmod", "644", "/etc/passwd") }
            try self.expectRefusal("/etc/passwd or /etc/group: writable by others")
        }

        @Test("A password's age in /etc/passwd, behind a comma, is no uid")
        func passwordAge() throws {
            try self.root("/bin/sh", "-c", "echo 'aged:x,62525:62600:62600:a,62525:/:/bin/sh' >>/etc/passwd")
            defer { try? self.root("/bin/sed", "-i", "/^aged:/d", "/etc/passwd") }
            try World.write(policy: "smtp tcp *:25 bind=aged\n")
            BinderAttacks.expectRefusal(
                try World.bind("smtp", "--", "true"), 77, "\"smtp\": uid 62525 may not bind it")
            let outcome = try World.bind("smtp", "--user", "aged", "--", "/usr/bin/id", "-u", user: .root)
            #expect(outcome.output == "62600\n", "\(outcome.errors)")
        }

        @Test("A policy that was cut off gives nobody a right that the whole one does not")
        func cutOff() throws {
            try World.write(policy: "smtp tcp *:25 bind=postern")
            try self.expectRefusal("/etc/postern/sockets.conf:1:27: the line end is missing")
        }
    }

    @Suite(.serialized) struct Privilege {
        init() throws { try World.write(policy: BinderAttacks.policy) }

        /// Runs a shell script as root; POSTERN_BINDER is the binder, `user` runs a command as postern.
        private func script(_ text: String) throws -> World.Outcome {
            let head =
                "user() { /usr/bin/setpriv --reuid postern --regid postern --init-groups -- /usr/bin/env \"$@\"; }\n"
            return try World.run(["/bin/bash", "-c", head + text], as: .root)
        }

        @Test("no_new_privs is said to be the reason, in these words")
        func noNewPrivileges() throws {
            let outcome = try World.attack("binder.py", "no_new_privs")
            #expect(outcome.output == "77\n")
            #expect(
                outcome.errors.contains("permission denied; no_new_privs is set, so the kernel ignores"), "\(outcome)")
        }

        @Test("An address that cannot be bound as it stands says what it lacks")
        func linkLocal() throws {
            try World.write(policy: "smtp tcp [fe80::1]:25 bind=postern\n")
            BinderAttacks.expectRefusal(
                try World.bind("smtp", "--", "true"), 71, "invalid argument; a link-local address needs device=")
        }

        @Test("More supplementary groups than it can look at are refused, and the limit is said")
        func manyGroups() throws {
            let outcome = try self.script(
                """
                setpriv --reuid postern --regid postern --groups 62527,$(seq -s, 70000 70255) -- env $POSTERN_BINDER smtp -- true
                """)
            BinderAttacks.expectRefusal(outcome, 71, "getgroups (256 supplementary groups at most)")
        }

        @Test("A copy has lost the capability, and says so")
        func copy() throws {
            let outcome = try self.script(
                "cp $POSTERN_BINDER $POSTERN_BINDER-copy; chmod 755 $POSTERN_BINDER-copy; user $POSTERN_BINDER-copy smtp -- true"
            )
            #expect(outcome.status == 77)
            #expect(outcome.errors.contains("the binder's file has no capability (a copy loses it)"), "\(outcome)")
        }

        @Test("On a file system mounted nosuid the capability does not count, and it says so")
        func nosuid() throws {
            let outcome = try self.script(
                """
                d=$(mktemp -d) && chmod 755 $d && mount -t tmpfs -o nosuid,mode=755 tmpfs $d || exit 99
                trap "umount $d; rmdir $d" EXIT
                cp $POSTERN_BINDER $d/postern-binder; chmod 755 $d/postern-binder
                setcap cap_net_bind_service=p $d/postern-binder
                user $d/postern-binder smtp -- true
                """)
            #expect(outcome.status == 77)
            #expect(outcome.errors.contains("mounted nosuid"), "\(outcome)")
        }

        @Test("Without the capability in the bounding set `=p` starts and says so, where `=ep` does not start at all")
        func boundingSet() throws {
            let bounded = try self.script(
                """
                setpriv --bounding-set -net_bind_service --reuid postern --regid postern --init-groups -- \
                    env $POSTERN_BINDER smtp -- true
                """)
            #expect(bounded.status == 77)
            #expect(bounded.errors.contains("the bounding set lacks cap_net_bind_service"), "\(bounded)")
            let effective = try self.script(
                """
                cp $POSTERN_BINDER $POSTERN_BINDER-ep; chmod 755 $POSTERN_BINDER-ep
                setcap cap_net_bind_service=ep $POSTERN_BINDER-ep
                setpriv --bounding-set -net_bind_service --reuid postern --regid postern --init-groups -- \
                    env $POSTERN_BINDER-ep smtp -- true
                """)
            #expect(effective.status == 126 && effective.errors.contains("Operation not permitted"), "\(effective)")
        }

        @Test("`=ep` works as well, and nothing of it reaches COMMAND")
        func effectiveFile() throws {
            let outcome = try self.script(
                """
                cp $POSTERN_BINDER $POSTERN_BINDER-ep; chmod 755 $POSTERN_BINDER-ep
                setcap cap_net_bind_service,cap_net_raw=eip $POSTERN_BINDER-ep
                user $POSTERN_BINDER-ep smtp -- grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status
                """)
            #expect(outcome.status == 0)
            #expect(outcome.output.filter { $0 == "\n" }.count == 4)
            #expect(outcome.output.split(separator: "\n").allSatisfy { $0.hasSuffix("0000000000000000") }, "\(outcome)")
        }

        @Test("Ambient capabilities work, with no_new_privs as well, and do not reach COMMAND")
        func ambient() throws {
            let outcome = try self.script(
                """
                setpriv --reuid postern --regid postern --init-groups --inh-caps +net_bind_service,+net_raw \
                    --ambient-caps +net_bind_service,+net_raw -- setpriv --no-new-privs env \
                    $POSTERN_BINDER smtp -- grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNew' /proc/self/status
                """)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output.split(separator: "\n").map { String($0.suffix(16)) }
                    == [
                        "0000000000000000", "0000000000000000", "0000000000000000", "0000000000000000",
                        "NoNewPrivs:\t1",
                    ]
                    .map { String($0.suffix(16)) }, "\(outcome)")
        }

        @Test("In a user namespace of the caller's own the policy is nobody's, and says so")
        func userNamespace() throws {
            let outcome = try self.script(
                "user unshare --user --map-user=62525 --map-group=62525 $POSTERN_BINDER smtp -- true")
            #expect(outcome.status == 78 && outcome.errors.contains("not owned by root"), "\(outcome)")
            #expect(try World.attack("binder.py", "free", "25").output == "25 111\n")
        }

        @Test("In a world of the caller's own, policy and all, it has a capability that binds nothing in the machine's")
        func ownWorld() throws {
            let inner = """
                mount -t tmpfs -o mode=755 none /mnt && cd /mnt && mkdir -p etc/postern proc binder dev || exit 98
                for d in usr bin sbin lib lib64; do
                    if [ -L /$d ]; then cp -P /$d .; elif [ -d /$d ]; then mkdir $d && mount --rbind /$d $d; fi
                done
                mount --rbind /proc proc && mount --rbind /dev dev && mount --rbind "${POSTERN_BINDER%/*}" binder || exit 98
                echo 'root:x:0:0::/:/bin/sh' >etc/passwd; echo 'postern:x:7:7::/:/bin/sh' >>etc/passwd
                echo 'postern:x:7:' >etc/group; echo 'mine tcp *:443 bind=postern' >etc/postern/sockets.conf
                chmod 755 . etc etc/postern; chmod 644 etc/passwd etc/group etc/postern/sockets.conf
                exec chroot . /binder/postern-binder mine --user postern -- true
                """
            try World.write(inner, to: "\(World.folder)/own-world", mode: 0o644)
            let outcome = try self.script("user unshare -Urm /bin/sh \(World.folder)/own-world")
            #expect(
                outcome.status == 77 && outcome.errors.contains("the network namespace belongs to another user"),
                "\(outcome)")
        }

        @Test("As root, COMMAND has the user's uid, gid and groups, no capability, and an empty bounding set")
        func rootStart() throws {
            let outcome = try World.bind(
                "smtp", "http", "--user", "postern", "--", "/bin/grep", "-E", "^(Cap|Uid|Gid|Groups|NoNew)",
                "/proc/self/status", user: .root)
            #expect(
                outcome.output.replacing("\t", with: " ") == """
                    Uid: 62525 62525 62525 62525
                    Gid: 62525 62525 62525 62525
                    Groups: 62525 62527 
                    CapInh: 0000000000000000
                    CapPrm: 0000000000000000
                    CapEff: 0000000000000000
                    CapBnd: 0000000000000000
                    CapAmb: 0000000000000000
                    NoNewPrivs: 0

                    """, "\(outcome.errors)")
        }

        @Test(
            "A folder that only root's capabilities reach is COMMAND's all the same; one that nothing reaches does no harm"
        )
        func closedFolder() throws {
            let outcome = try self.script(
                """
                d=$(mktemp -d) && chown postern-app $d && chmod 700 $d && cd $d || exit 99
                trap "cd /; rmdir $d" EXIT
                [ "$($POSTERN_BINDER smtp --user postern -- /usr/bin/readlink /proc/self/cwd)" = $d ] || exit 1
                user $POSTERN_BINDER smtp -- true || exit 2
                """)
            #expect(outcome.status == 0, "\(outcome)")
        }

        @Test("Root needs --user; the policy is asked about that user, and root is nobody to become")
        func rootRefusals() throws {
            let cases: [([String], Int32, String)] = [
                (["smtp", "--", "true"], 64, "needs --user USER"),
                (["smtp", "--user", "nosuchuser", "--", "true"], 64, "\"nosuchuser\": not in /etc/passwd"),
                (["all", "--user", "root", "--", "true"], 77, "root is nobody to drop to"),
                (["smtp", "--user", "postern-app", "--", "true"], 77, "uid 62526 may not bind it"),
                (["all", "--user", "nobody", "--", "true"], 77, "uid 65534 may not bind it"),
            ]
            for (arguments, status, message) in cases {
                BinderAttacks.expectRefusal(try World.run([World.binder] + arguments, as: .root), status, message)
            }
        }

        @Test("Root without the capabilities to drop with binds nothing for anybody")
        func crippledRoot() throws {
            for capability in ["setuid", "setgid", "setpcap"] {
                let outcome = try self.script(
                    "setpriv --bounding-set -\(capability) -- env $POSTERN_BINDER smtp --user postern -- true")
                #expect(outcome.status == 71, "\(capability): \(outcome)")
            }
            let bare = try self.script(
                "setpriv --bounding-set -net_bind_service -- env $POSTERN_BINDER smtp --user postern -- true")
            #expect(bare.status == 77 && bare.errors.contains("root has no cap_net_bind_service"), "\(bare)")
        }

        @Test("Where a control group's filter refuses the proof of the drop, that is a refusal as good as the kernel's")
        func filteredBind() throws {
            let outcome = try World.attack("binder.py", "refused_bind", user: .root)
            #expect(outcome.output == "0\n", "\(outcome.errors)")
        }

        @Test("Where every port is free to bind, the drop is still proved, and the binder works")
        func noPrivilegedPorts() throws {
            let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
            for start in ["0", "1"] {
                let set = try self.script("echo \(start) > \(path)")
                try #require(set.status == 0, "\(set)")
                #expect(try World.bind("smtp", "--", "true").status == 0)
            }
            #expect(try self.script("echo 1024 > \(path)").status == 0)
        }
    }
}
