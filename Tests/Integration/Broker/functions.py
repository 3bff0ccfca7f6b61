"""What the broker does: one function a trial, named by the first argument."""
from harness import *

TRIALS = {}


def trial(function):
    TRIALS[function.__name__] = function
    return function


@trial
def everything_by_one_user():
    """HELLO, GET, STAT, LIST, RELEASE, DROP on one connection, with every line of every reply."""
    broker = Broker()

    def client():
        peer = Peer()
        hello = peer.hello()
        expect(re.fullmatch("[0-9a-f]{16}", hello.pop("generation")), "no generation")
        expect(hello == {"version": "1", "features": "exclusive wait store state", "max-request": "4096",
                         "max-names": "32", "max-descriptors": "64", "max-wait": "60000"}, hello)
        reply, fds = peer.ask("PB1 GET a1\nname=smtp")
        expect(reply == "PB1 200 OK a1\nfds=1\nfd.0=smtp tcp [::]:25\n", reply)
        listener = socket.socket(fileno=fds[0])
        expect(listener.getsockname()[:2] == ("::", 25), listener.getsockname())
        expect(not listener.get_inheritable(), "not close-on-exec")
        reply, _ = peer.ask("PB1 LIST b")
        expect(reply == "PB1 200 OK b\nitem=smtp tcp [::]:25 leases=1 queue=0\n", reply)
        reply, _ = peer.ask("PB1 STAT c\nname=smtp")
        expect(re.fullmatch(r"PB1 200 OK c\nitem=smtp tcp \[::\]:25 leases=1 queue=0\ngets=1\ndenied=0\nstores=1\nheals=0\n"
                            rf"holders=1\nholder.0=uid={POSTERN} pid={os.getpid()} mode=shared ms=\d+\n", reply), reply)
        expect(peer.ask("PB1 RELEASE d\nname=smtp")[0] == "PB1 200 OK d\n", "RELEASE")
        expect("leases=0" in peer.ask("PB1 LIST e")[0], "the lease did not end")
        expect(peer.ask("PB1 DROP f\nname=smtp")[0] == "PB1 200 OK f\ndropped=1\n", "DROP")
        expect("missing" in peer.ask("PB1 LIST g")[0], "not dropped")
        expect(peer.code("PB1 DROP h\nname=smtp") == 404, "dropped twice")
        # Who holds it keeps it.
        with socket.create_connection(("127.0.0.1", 25), 5):
            listener.accept()[0].close()

    run_as(POSTERN, client)
    expect(os.WIFEXITED(broker.stop()) and broker.status == 0, f"exit status {broker.status}")


@trial
def several_names_all_or_none():
    broker = Broker(store=("smtp", "submission", "pair", "resolver"))

    def client():
        peer = Peer()
        reply, fds = peer.ask("PB1 GET a\nname=submission\nname=pair\nname=resolver\nname=smtp")
        lines = reply.splitlines()
        expect(lines == ["PB1 200 OK a", "fds=5", "fd.0=submission tcp [::]:587", "fd.1=pair tcp 127.0.0.1:81",
                         "fd.2=pair tcp 127.0.0.1:81", "fd.3=resolver udp 127.0.0.1:53", "fd.4=smtp tcp [::]:25"], reply)
        ports = []
        for fd in fds:
            with socket.socket(fileno=fd) as got:
                ports.append((got.getsockname()[1], got.type.name))
        expect(ports == [(587, "SOCK_STREAM"), (81, "SOCK_STREAM"), (81, "SOCK_STREAM"), (53, "SOCK_DGRAM"),
                         (25, "SOCK_STREAM")], ports)
        peer.ask("PB1 RELEASE r\nname=submission\nname=pair\nname=resolver\nname=smtp")
        # One that may not be had, one that is not stored, one that does not exist: nothing at all, and no lease.
        expect(peer.code("PB1 GET b\nname=smtp\nname=http") == 403, "http")
        expect(peer.code("PB1 GET c\nname=smtp\nname=nothing") == 404, "nothing")
        expect("leases=0" in peer.ask("PB1 LIST e")[0], "a lease without a grant")
        expect(peer.code("PB1 RELEASE f\nname=smtp") == 404, "release of what is not held")

    run_as(POSTERN, client)
    broker.stop()


@trial
def rights():
    """By uid, gid and supplementary group; the default is no; root is nobody special; 65534 never."""
    broker = Broker(store=("smtp", "http"))

    def code(name):
        return lambda: Peer().code(f"PB1 GET a\nname={name}")

    expect(run_as(APP, code("smtp")) == 200, "by uid")
    expect(run_as(APP, code("http")) == 200, "by primary group")
    expect(run_as(5000, code("http"), groups=(7, APP)) == 200, "by supplementary group")
    expect(run_as(5000, code("http"), gid=APP) == 200, "by gid")
    expect(run_as(5000, code("http")) == 403, "a stranger")
    expect(run_as(0, code("smtp"), gid=0) == 403, "root has no line")
    expect(run_as(0, code("http"), gid=0, groups=(0,)) == 403, "root has no line")
    expect(run_as(65534, code("smtp"), gid=APP) == 403, "nobody")
    expect(run_as(5000, code("http"), groups=tuple(range(1000, 1256)) + (APP,)) == 403, "above 256 groups none counts")
    # A stranger learns of no name whether it exists; who may list something does.
    expect(run_as(APP, code("nothing")) == 403, "existence told")
    expect(run_as(POSTERN, code("nothing")) == 404, "existence not told")
    expect(run_as(APP, lambda: Peer().code("PB1 LIST a")) == 403, "list")
    expect(run_as(APP, lambda: Peer().code("PB1 STAT a\nname=smtp")) == 403, "stat")
    expect(run_as(APP, lambda: Peer().code("PB1 DROP a\nname=smtp")) == 403, "drop")
    broker.log(r"event=refusal uid=0 pid=\d+ code=403 name=smtp ")
    broker.stop()


@trial
def exclusive_and_waiting():
    broker = Broker()

    def client():
        one, two, three = Peer(), Peer(), Peer()
        one.get("smtp", mode="exclusive")
        expect(two.code(get_text("smtp")) == 409, "shared beside exclusive")
        expect(two.code(get_text("smtp", mode="exclusive")) == 409, "exclusive twice")
        expect("exclusive" in two.ask("PB1 LIST a")[0], "LIST does not say so")
        # Who waits is served in order, when the lease ends and not before.
        two.send(get_text("smtp", mode="exclusive", wait=10000))
        expect(not select.select([two.socket], [], [], 0.05)[0], "answered before it was free")
        three.send(get_text("smtp", wait=10000))
        expect(not select.select([three.socket], [], [], 0.05)[0], "answered before it was free")
        one.close()
        reply, fds = two.receive()
        expect(reply.startswith("PB1 200") and len(fds) == 1, reply)
        expect(not select.select([three.socket], [], [], 0.05)[0], "shared while exclusive")
        expect(two.code("PB1 RELEASE r\nname=smtp") == 200, "release")
        expect(three.receive()[0].startswith("PB1 200"), "three was not served")
        # Its own mode may change, where nobody is in the way.
        three.get("smtp", mode="exclusive")
        expect(two.code(get_text("smtp")) == 409, "not exclusive now")
        three.get("smtp", mode="shared")
        two.get("smtp")
        # The end of the time is a refusal, and not before.
        start = time.monotonic()
        expect(two.code(get_text("smtp", mode="exclusive", wait=300)) == 409, "exclusive beside another")
        expect(0.29 < time.monotonic() - start < 2, "not after 300 ms")
        # Who is gone while it waits takes nothing along.
        two.send(get_text("smtp", mode="exclusive", wait=60000))
        two.close()
        four = Peer()
        four.get("smtp")

    run_as(POSTERN, client)
    broker.stop()


@trial
def waiting_for_a_listener():
    """A program that starts before its listener was stored gets it when it comes."""
    broker = Broker(store=())

    def client():
        peer = Peer(timeout=15)
        expect(peer.code(get_text("smtp")) == 404, "nothing is stored")
        return [s.getsockname()[1] for s in peer.get("smtp", wait=10000)]

    child = Child(POSTERN, client)
    broker.log("code=404")
    broker.store("smtp")
    expect(child.result() == [25], "not what was stored")
    broker.stop()


@trial
def a_lease_is_its_connection():
    """Fork, exec and the end of who asked do not end it; the last copy does, at once."""
    broker = Broker()

    def holder(pipe):
        peer = Peer()
        listeners = peer.get("smtp", mode="exclusive")
        os.set_inheritable(peer.socket.fileno(), True)
        if os.fork() == 0:
            os.setsid()
            # The program that asked is gone; another one has the connection, and waits for the pipe to end.
            os.dup2(pipe, 0)
            os.execv("/bin/cat", ["cat"])
        return os.getpid()

    reader, writer = os.pipe()
    child = Child(POSTERN, holder, reader, keep=(reader,))
    os.close(reader)
    child.result()

    def code(mode):
        return run_as(POSTERN, lambda: Peer().code(get_text("smtp", mode=mode)))

    expect(code("shared") == 409, "the lease ended with who asked")
    broker.log(r"code=409 name=smtp")
    mark = broker.mark()
    os.close(writer)
    broker.log("event=end-of-lease .*names=smtp", start=mark)
    expect(code("exclusive") == 200, "the lease did not end")
    broker.stop()


@trial
def stores_that_fit_and_that_do_not():
    broker = Broker(store=())
    listeners = {
        "good": listener("::", 25, family=socket.AF_INET6, v6only=0),
        "port": listener("::", 26, family=socket.AF_INET6, v6only=0),
        "v6only": None,
        "family": listener("0.0.0.0", 27),
        "udp": listener("127.0.0.1", 53, kind=socket.SOCK_DGRAM),
        "deaf": listener("127.0.0.1", 80, backlog=0),
        "stream": socket.socketpair()[0],
        "unix": socket.socket(socket.AF_UNIX),
    }
    listeners["file"] = open("/dev/null")
    listeners["pipe"] = os.fdopen(os.pipe()[0])

    def client(numbers):
        def store(name, spec, *which, replace=0):
            return peer.code(store_text(name, spec, replace), [numbers[key] for key in which])

        peer = Peer()
        peer.hello()
        results = {
            "port": store("smtp", "tcp [::]:25", "port"),
            "udp": store("smtp", "tcp [::]:25", "udp"),
            "stream": store("smtp", "tcp [::]:25", "stream"),
            "unix": store("smtp", "tcp [::]:25", "unix"),
            "file": store("smtp", "tcp [::]:25", "file"),
            "pipe": store("smtp", "tcp [::]:25", "pipe"),
            "deaf": store("http", "tcp 127.0.0.1:80", "deaf"),
            "two": store("smtp", "tcp [::]:25", "good", "good"),
            "none": store("smtp", "tcp [::]:25"),
            "spec": store("smtp", "tcp [::]:587", "good"),
            "v6only": store("smtp", "tcp [::]:25 v6only", "good"),
            "nonsense": store("smtp", "what", "good"),
            "one of two": store("pair", "tcp 127.0.0.1:81", "good"),
        }
        expected = {key: 415 for key in results} | {"nonsense": 400}
        expect(results == expected, results)
        expect(store("smtp", "tcp [0:0::0]:25", "good") == 200, "another spelling of the address")
        expect(store("smtp", "tcp [::]:25", "good") == 409, "stored already")
        expect(store("smtp", "tcp [::]:25", "good", replace=1) == 403, "replaced without drop=")
        expect(store("resolver", "udp 127.0.0.1:53", "udp") == 200, "udp")

    numbers = {key: value.fileno() for key, value in listeners.items() if value is not None}
    run_as(BINDER, client, numbers, keep=tuple(numbers.values()))
    expect(run_as(POSTERN, lambda: (lambda p: (p.hello(), p.code(store_text("smtp", "tcp [::]:25"))))(Peer())[1]) == 403,
           "store without the right")
    broker.stop()


@trial
def replacing():
    broker = Broker(DEFAULT_POLICY, store=("http",))
    reader = run_as(APP, lambda: len(Peer().get("http")))
    mark = broker.mark()
    # The binder cannot bind a port that is held: who replaces brings a socket of another kind, here one of SO_REUSEADDR.
    expect(run_binder("http", "--store")[0] == 69, "bound twice")

    def client():
        peer = Peer()
        peer.hello()
        expect(peer.code("PB1 DROP d\nname=http") == 200, "drop")

    run_as(BINDER, client)
    broker.store("http")
    broker.log("event=store .*name=http", start=mark)
    expect(run_as(APP, lambda: len(Peer().get("http"))) == reader == 1, "not there again")
    broker.stop()


@trial
def a_drop_makes_room():
    """Connections whose lease ended with a DROP make room for new ones of their uid again."""
    broker = Broker("web tcp 127.0.0.1:80 get=postern drop=postern store=postern-binder\n", store=("web",))

    def client():
        peers = [Peer() for _ in range(64)]
        for peer in peers:
            peer.get("web")
        expect(Peer().receive()[0].startswith("PB1 429 "), "a 65th connection beside 64 that hold something")
        expect(peers[0].code("PB1 DROP a\nname=web") == 200, "drop")
        expect(Peer().code("PB1 HELLO a") == 200, "no room")

    run_as(POSTERN, client)
    broker.stop()


@trial
def another_network_is_refused():
    """A listener of another network namespace looks right and answers nobody."""
    broker = Broker(store=())

    def client():
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            libc = __import__("ctypes").CDLL(None, use_errno=True)
            expect(libc.unshare(0x40000000) == 0, "unshare")
            foreign = listener("::", 25, family=socket.AF_INET6, v6only=0)
            socket.send_fds(theirs, [b"x"], [foreign.fileno()])
            os._exit(0)
        ours.settimeout(5)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        become(BINDER)
        peer = Peer()
        peer.hello()
        reply, _ = peer.ask(store_text("smtp", "tcp [::]:25"), fds)
        return reply

    reply = run_as(0, client, gid=0)
    expect(reply.startswith("PB1 415 ") and "network namespace" in reply, reply)
    broker.stop()


@trial
def reload_changes_rights_and_keeps_listeners():
    broker = Broker(store=("smtp", "submission", "http"))

    def holder(go):
        peer = Peer()
        held = peer.get("smtp")
        peer.get("submission")
        os.write(go[1], b"x")
        os.read(go[2], 1)
        # The name was taken out of the policy: what is held goes on working, and nothing new is given.
        with socket.create_connection(("127.0.0.1", 25), 5):
            held[0].accept()[0].close()
        return peer.code(get_text("smtp")), peer.code(get_text("submission"))

    there, here = os.pipe(), os.pipe()
    child = Child(POSTERN, holder, (None, there[1], here[0]), keep=(there[1], here[0]))
    expect(os.read(there[0], 1) == b"x", "the holder")
    waiting = Child(APP, lambda: Peer(timeout=15).code(get_text("smtp", mode="exclusive", wait=12000)))
    until(lambda: any("uid=62526" in l for l in broker.lines) or peers_of(broker) >= 2, "the one that waits")
    line = broker.reload("submission tcp [::]:587 get=postern store=postern-binder\n"
                         "http tcp 127.0.0.1:80 get=nobody-of-that-name store=postern-binder\n"
                         "new tcp 127.0.0.1:82 get=postern store=postern-binder\n")
    expect("verdict=done" in line, line)
    broker.log(rf"event=removed name=smtp holders={POSTERN}:\d+ fds=1")
    expect(waiting.result() == 403, "the one that waited for what is gone")
    os.write(here[1], b"x")
    expect(child.result() == (403, 200), "after the reload")
    expect(run_as(APP, lambda: Peer().code(get_text("http"))) == 403, "http is not the app's any more")
    # The port is free now: nobody holds it but the one that was killed.
    broker.store("new")
    expect(run_as(POSTERN, lambda: len(Peer().get("new", "submission"))) == 2, "new")
    # A policy that cannot be used changes nothing, and says where.
    mark = broker.mark()
    line = broker.reload("submission tcp [::]:587 get=postern\nsmtp tcp [::]:25 gte=postern\n")
    expect("verdict=failed" in line, line)
    broker.log(r"sockets.conf:2:18: \"gte\"", start=mark)
    expect(run_as(POSTERN, lambda: len(Peer().get("new", "submission"))) == 2, "after a bad policy")
    broker.stop()


def peers_of(broker):
    return sum(1 for fd in os.listdir(f"/proc/{broker.pid}/fd")
               if os.readlink(f"/proc/{broker.pid}/fd/{fd}").startswith("socket:")) - 4


@trial
def a_line_that_changes_is_closed():
    """The same name with another port: the old socket goes, the other line's stays."""
    policy = "two tcp 127.0.0.1:80 get=postern store=postern-binder list=postern\n" \
             "two tcp 127.0.0.1:81 get=postern store=postern-binder list=postern\n"
    broker = Broker(policy, store=("two",))
    expect(run_as(POSTERN, lambda: [s.getsockname()[1] for s in Peer().get("two")]) == [80, 81], "two lines")
    broker.reload(policy.replace(":80", ":82"))
    broker.log("event=line-removed name=two")
    expect(run_as(POSTERN, lambda: Peer().code(get_text("two"))) == 404, "incomplete, and granted")
    listed = run_as(POSTERN, lambda: Peer().ask("PB1 LIST a")[0])
    expect("item=two tcp 127.0.0.1:82 leases=0 queue=0 missing" in listed
           and "item=two tcp 127.0.0.1:81 leases=0 queue=0\n" in listed, listed)
    broker.stop()


@trial
def a_long_list_comes_in_parts():
    policy = "".join(f"{'n' * 57}{n:02} tcp 127.0.0.1:{1000 + n} reuseport=8 list=postern get=postern\n" for n in range(64))
    broker = Broker(policy, store=())

    def client():
        peer, items, first, parts = Peer(), [], 0, 0
        while first is not None:
            reply, _ = peer.ask(f"PB1 LIST a\nfirst={first}")
            expect(reply.startswith("PB1 200") and len(reply) <= 16384, reply[:80])
            lines = reply.splitlines()[1:]
            items += [line for line in lines if line.startswith("item=")]
            following = [int(line[5:]) for line in lines if line.startswith("next=")]
            expect(not following or following[0] > first, "no progress")
            first, parts = (following[0] if following else None), parts + 1
        return len(items), len(set(items)), parts

    count, different, parts = run_as(POSTERN, client)
    expect((count, different) == (512, 64) and parts > 1, (count, different, parts))
    broker.stop()


@trial
def the_control_socket():
    """Stale, taken, in the way, in a folder that others may write."""
    broker = Broker(store=())
    status = os.stat(PATH)
    expect(status.st_mode & 0o777 == 0o666 and status.st_uid == BROKER, oct(status.st_mode))

    def start(*arguments, uid=BROKER):
        outcome = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=5, preexec_fn=lambda: become(uid), env={})
        return outcome.returncode, outcome.stderr.strip()

    # Two at once: the second goes, and the first does not notice.
    status, words = start()
    expect(status == 69 and "another broker" in words, (status, words))
    broker.stop(signal.SIGKILL)
    # A stale socket file is replaced.
    expect(os.path.exists(PATH), "the file")
    broker.start()
    run_as(POSTERN, lambda: Peer().hello())
    broker.stop()
    # A broker that lives without its lock is found by asking.
    os.unlink(PATH + ".lock")
    broker.start()
    os.unlink(PATH + ".lock")
    status, words = start()
    expect(status == 69 and "another broker" in words, (status, words))
    broker.stop()
    # Something else in the way is left alone: a symbolic link, a file.
    os.unlink(PATH)
    os.symlink("/etc/passwd", PATH)
    status, words = start()
    expect(status == 69 and "in the way" in words and os.path.islink(PATH), (status, words))
    os.unlink(PATH)
    os.unlink(PATH + ".lock")
    os.symlink("/etc/postern/target", PATH + ".lock")
    expect(start()[0] == 71 and not os.path.exists("/etc/postern/target"), "the lock followed a link")
    os.unlink(PATH + ".lock")
    # A folder where others may write; one that is not there; one that is not its own; a path that is too long.
    os.mkdir("/run/postern/open")
    os.chmod("/run/postern/open", 0o777)
    status, words = start("--socket", "/run/postern/open/sock")
    expect(status == 77 and "false broker" in words, (status, words))
    os.symlink("/run/postern", "/run/postern/open/link")
    expect(start("--socket", "/run/postern/open/link/sock")[0] == 71, "a link in the path")
    expect(start("--socket", "/run/postern/none/sock")[0] == 71, "no such folder")
    expect(start("--socket", "/run/sock")[0] == 77, "root's folder")
    expect(start("--socket", "/run/postern/" + "x" * 100)[0] == 64, "too long")
    expect(start("--socket", "relative")[0] == 64, "relative")
    expect(start("--what")[0] == 64 and start("--policy")[0] == 64, "usage")
    # As root, or with a capability: not at all.
    status, words = start(uid=0)
    expect(status == 77 and "root" in words, (status, words))
    outcome = subprocess.run(["setpriv", "--reuid", str(BROKER), "--regid", str(BROKER), "--clear-groups", "--inh-caps",
                              "+net_bind_service", "--ambient-caps", "+net_bind_service", PROGRAM],
                             capture_output=True, text=True, timeout=5, env={})
    expect(outcome.returncode == 77 and "capability" in outcome.stderr, outcome)


@trial
def what_leaks_in_is_closed():
    """With LISTEN_FDS and without: of what whoever started it left open nothing is kept."""

    def serving():
        """How many it has with one peer whom it has answered: what it had open at its start only is closed by then."""
        peer = Peer()
        peer.code(get_text("nothing"))
        return broker.fds()

    broker = Broker(store=())
    own = serving()
    broker.stop()
    broker.start(leaks=(3, 4, 40, 300))
    count = serving()
    expect(count == own, f"{count} descriptors, {own} without a leak")
    broker.stop()
    smtp = listener("::", 25, family=socket.AF_INET6, v6only=0)
    broker.start(descriptors={"smtp": [smtp.fileno()]}, leaks=(4, 40, 300))
    count = serving()
    expect(count == own + 1, f"{count} descriptors, {own + 1} wanted")
    expect(run_as(POSTERN, lambda: len(Peer().get("smtp"))) == 1, "the listener")
    broker.stop()


@trial
def who_may_not_and_what_the_log_says():
    """The log names who, what and the verdict; a flood of refusals does not flood it."""
    broker = Broker()

    def client():
        peer = Peer()
        for _ in range(3000):
            expect(peer.code(get_text("http")) == 403, "granted")

    start = time.monotonic()
    run_as(POSTERN, client)
    seconds = time.monotonic() - start
    count = sum("event=refusal" in line for line in broker.lines)
    expect(count <= 200 + 50 * (seconds + 2), f"{count} lines in {seconds:.1f} s")
    time.sleep(max(0, 1.1 - (time.monotonic() - start) % 1))
    run_as(POSTERN, lambda: Peer().code(get_text("http")))
    broker.log(r"event=suppressed refusals=\d+", 5)
    mark = broker.mark()
    run_as(POSTERN, lambda: len(Peer().get("smtp")))
    broker.log(rf"event=get uid={POSTERN} pid=\d+ names=smtp mode=shared fds=1", start=mark)
    broker.log(rf"event=end-of-lease uid={POSTERN} pid=\d+ names=smtp", start=mark)
    broker.stop()


@trial
def a_log_that_nobody_reads():
    """Standard error full and its reader asleep: the broker goes on."""
    broker = Broker()
    blocked = os.pipe()
    os.set_blocking(blocked[1], False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(blocked[1], b"x" * 4096)
    broker.stop()
    write_policy(DEFAULT_POLICY)
    pid = os.fork()
    if pid == 0:
        os.dup2(blocked[1], 2)
        os.closerange(3, 4096)
        become(BROKER)
        os.execve(PROGRAM, [PROGRAM], {})
    try:
        until(lambda: run_as(POSTERN, can_connect), "the broker", 10)
        start = time.monotonic()
        codes = run_as(POSTERN, lambda: [Peer(timeout=20).code(get_text("submission")) for _ in range(5)])
        expect(codes == [404] * 5, codes)
        expect(time.monotonic() - start < 1, f"{time.monotonic() - start:.1f} s for five answers")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def can_connect():
    try:
        Peer().close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main(TRIALS)
