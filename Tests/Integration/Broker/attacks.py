"""What peers try against the broker, and what must go on meanwhile: one function a trial, named by the first argument."""
import ctypes
from harness import *

TRIALS = {}
STRANGER = 7001
#: Where the kernel has SO_PASSRIGHTS (6.16), nobody can send descriptors that are not wanted.
PASSRIGHTS = 83


def trial(function):
    TRIALS[function.__name__] = function
    return function


def has_passrights():
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, PASSRIGHTS, 1)
            return True
        except OSError:
            return False


def timed_get(*names, uid=POSTERN):
    """How many milliseconds a fresh connection of a uid takes to its listeners, as the client sees it."""
    def client():
        start = time.perf_counter()
        Peer().get(*names)
        return (time.perf_counter() - start) * 1000
    return run_as(uid, client)


@trial
def malformed_packets():
    """Each is refused by its code, or ends the connection; the broker lives, and serves the next."""
    broker = Broker()

    def client():
        def one(text):
            peer = Peer()
            return peer.code(text)

        cases = [
            (b"\0", 0), (b"PB1 GET a\nname=smtp\0", 0), (b"PB1 GET a\nname=sm\xfftp", 0), (b"\x80", 0),
            (b"PB1 GET a\n" + b"name=smtp\n" * 500, 0), (b"x" * 4097, 0), (b"x" * 200000, 0), (b"PB1 GET a\r\n", 0),
            (b"PB1 GET a\tb", 0),
            (b"x", 400), (b"PB1", 400), (b"PB1 ", 400), (b"PB1 GET", 400), (b"PB1 GET ", 400), (b"PB1  a", 400),
            (b"PB1 GET a b", 400), (b"PB1 GET 123456789", 400), (b"PB1 GET a-b", 400), (b"\n", 400),
            (b"PB1 GET a\n\n", 400), (b"PB1 GET a\nname", 400), (b"PB1 GET a\n=smtp", 400), (b"PB1 GET a\nNAME=smtp", 400),
            (b"PB1 GET a", 400), (b"PB1 GET a\nname=", 400), (b"PB1 GET a\nname=" + b"n" * 64, 400),
            (b"PB1 GET a\nname=sm tp", 400), (b"PB1 GET a\nname=smtp\nname=smtp", 400),
            (b"PB1 GET a\nname=smtp\nmode=both", 400), (b"PB1 GET a\nname=smtp\nwait=60001", 400),
            (b"PB1 GET a\nname=smtp\nwait=-1", 400), (b"PB1 GET a\nname=smtp\nwait=99999999999999999999", 400),
            (b"PB1 GET a\nname=smtp\nmode=shared\nmode=shared", 400), (b"PB1 GET a\nname=smtp\nunknown=1", 400),
            (b"PB1 HELLO a\nname=smtp", 400), (b"PB1 HELLO a\nmax=x", 400), (b"PB1 HELLO a\nmax=0", 505),
            (b"PB1 LIST a\nfirst=-1", 400), (b"PB1 STAT a\nname=smtp\nname=http", 400), (b"PB1 STORE a\nname=smtp", 400),
            (b"PB1 DROP a", 400), (b"PB1 RELEASE a", 400),
            (b"PB1 GET a\n" + b"".join(b"name=n%d\n" % n for n in range(33)), 413),
            (b"PB1 WATCH a", 501), (b"PB1 REVOKE a", 501), (b"PB1 TAKEOVER a", 501), (b"PB1 get a\nname=smtp", 501),
            (b"PB2 GET a\nname=smtp", 505), (b"PB11 GET a", 505),
            (b"PB1 GET a\nname=smtp\nx-unknown=1", 200), (b"PB1 HELLO a\nmax=7\nx-y=", 200), (b"PB1 HELLO A1b2C3d4", 200),
        ]
        wrong = [(text[:60], code, got) for text, code in cases if (got := one(text)) != code]
        expect(not wrong, wrong)
        # An empty packet is the end, and not a way to keep a place.
        peer = Peer()
        peer.send(b"")
        expect(peer.is_closed(), "an empty packet")

    run_as(POSTERN, client)
    expect(broker.is_alive(), "gone")
    broker.stop()


@trial
def descriptors_where_none_belong():
    broker = Broker()
    before = broker.fds()

    def client():
        files = [os.open("/dev/null", os.O_RDONLY) for _ in range(253)]
        verdicts = []
        for text, count in [(get_text("smtp"), 1), (get_text("smtp"), 253), ("PB1 HELLO a", 8), ("PB1 LIST a", 1),
                            (store_text("smtp", "tcp [::]:25"), 1), (store_text("smtp", "tcp [::]:25"), 253), ("x", 9)]:
            peer = Peer()
            try:
                peer.send(text, files[:count])
            except PermissionError:
                verdicts.append("kept off")
                continue
            verdicts.append("closed" if peer.is_closed(2) else "open")
            peer.close()
        return verdicts

    verdicts = run_as(POSTERN, client)
    wanted = "kept off" if has_passrights() else "closed"
    # (A STORE without a HELLO may be told so where the kernel lets it through.)
    expect(all(v == wanted or v == "closed" for v in verdicts), verdicts)
    until(lambda: broker.fds() == before, f"{broker.fds()} descriptors open, {before} before")

    def storer():
        """Who may store: nothing but a STORE takes descriptors, no more than 8, and no connection of the broker's own."""
        files = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]
        results = []
        for text, fds in [(get_text("smtp"), files[:1]), ("PB1 HELLO b", files[:8]), (store_text("smtp", "tcp [::]:25"), files[:64]),
                          (store_text("submission", "tcp [::]:587"), files[:9])]:
            peer = Peer()
            peer.hello()
            peer.send(text, fds)
            results.append(peer.is_closed(2))
            peer.close()
        peer = Peer()
        peer.hello()
        results.append(peer.code(store_text("submission", "tcp [::]:587"), [peer.socket.fileno()]) == 415)
        return results

    results = run_as(BINDER, storer)
    expect(all(results), results)
    until(lambda: broker.fds() == before, f"{broker.fds()} descriptors open, {before} before")
    expect(timed_get("smtp") < 1000, "no answer")
    broker.stop()
    return f"descriptors that nobody wants: {wanted}"


def idle(count, uid, ready):
    peers = []
    for _ in range(count):
        try:
            peers.append(Peer(timeout=10))
        except OSError:
            break
    os.write(ready, b"x")
    time.sleep(60)


def idle_peers(count):
    broker = Broker()
    reader, writer = os.pipe()
    children = []
    for number in range((count + 63) // 64):
        children.append(Child(STRANGER, idle, min(64, count - 64 * number), STRANGER, writer, keep=(writer,)))
    for _ in children:
        os.read(reader, 1)
    times = [timed_get("smtp") for _ in range(5)]
    expect(max(times) < 100, f"{max(times):.1f} ms for a GET beside {count} idle peers")
    # And while they come, again and again: each idle peer is gone within 2 s, each new one comes at once.
    expect(broker.is_alive(), "gone")
    for child in children:
        child.kill()
    broker.stop()
    return f"beside {count} idle peers of another uid a listener takes {max(times):.1f} ms at most"


@trial
def idle_peers_64():
    """64 peers that connect and say nothing."""
    return idle_peers(64)


@trial
def idle_peers_1000():
    return idle_peers(1000)


@trial
def idle_peers_of_many_uids():
    """256 idle peers of 64 uids: a uid that has none still gets in; so does one more of theirs."""
    broker = Broker()
    reader, writer = os.pipe()
    children = [Child(STRANGER + n, idle, 8, STRANGER + n, writer, keep=(writer,)) for n in range(64)]
    for _ in children:
        os.read(reader, 1)
    times = [timed_get("smtp") for _ in range(5)]
    expect(max(times) < 100, f"{max(times):.1f} ms")
    for child in children:
        child.kill()
    broker.stop()


@trial
def a_silent_peer_is_gone_after_two_seconds():
    broker = Broker()

    def client():
        peer, leased, waiting = Peer(), Peer(), Peer()
        leased.get("smtp")
        start = time.monotonic()
        reply, _ = peer.receive()
        seconds = time.monotonic() - start
        expect(reply.startswith("PB1 408 SLOW 0\n") and 1.5 < seconds < 3, (reply, seconds))
        expect(peer.is_closed(), "not closed")
        expect(leased.code("PB1 HELLO a") == 200, "who holds something was closed, too")

    run_as(POSTERN, client)
    broker.stop()


@trial
def ten_thousand_connects_a_second():
    """A uid that connects without a pause, and another one that wants its listener."""
    broker = Broker()

    def flood():
        count, end = 0, time.monotonic() + 4
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                peer.setblocking(False)
                peer.connect(PATH)
                count += 1
            peer.close()
        return count

    attackers = [Child(STRANGER, flood), Child(STRANGER, flood)]
    time.sleep(0.3)
    times = sorted(timed_get("smtp") for _ in range(20))
    count = sum(child.result() for child in attackers)
    expect(times[-1] < 1000, f"{times[-1]:.0f} ms")
    expect(broker.is_alive(), "gone")
    expect(sum("event=refusal" in l for l in broker.lines) < 1000, "a flood in the log")
    broker.stop()
    return f"{count / 4:.0f} connections a second; a listener meanwhile: median {times[10]:.1f} ms, worst {times[-1]:.1f} ms"


@trial
def peers_that_never_read():
    """Descriptors in grants that nobody reads are charged to the broker: a cap a uid, and others go on."""
    policy = "".join(f"n{n} tcp 127.0.0.1:{2000 + n} reuseport=8 get=postern,postern-app store=postern-binder\n"
                     for n in range(8))
    broker = Broker(policy, store=[f"n{n}" for n in range(8)])
    text = get_text(*(f"n{n}" for n in range(8)))

    def hoarder():
        peers, codes = [], []
        for _ in range(60):
            peer = Peer()
            peer.send(text)
            peers.append(peer)
        for peer in peers:
            reply = peer.socket.recv(16384, socket.MSG_PEEK)
            codes.append(reply.decode().split(" ")[1])
        # Once one grant is read, this user gets on.
        peers[0].receive()
        codes.append(str(Peer().code(text)))
        return codes

    codes = run_as(POSTERN, hoarder)
    expect(codes.pop() == "200", "a grant was read, and the next is refused")
    expect(codes.count("200") == 2 and codes.count("429") == 58, (codes.count("200"), codes.count("429")))
    expect(timed_get(*(f"n{n}" for n in range(8)), uid=APP) < 100, "another uid waited")

    def one_connection():
        """Replies of one connection, unread: it is closed in the end, and nothing else happens."""
        peer = Peer()
        sent = 0
        with contextlib.suppress(ConnectionResetError, BrokenPipeError, socket.timeout):
            while sent < 100000:
                peer.send("PB1 HELLO a")
                sent += 1
        return sent

    expect(run_as(POSTERN, one_connection) < 100000, "it may hoard replies for ever")
    expect(timed_get("n1", uid=POSTERN) < 100, "not served")
    broker.stop()


@trial
def grants_piled_up():
    """Neither on one connection, without reading, nor by many that waited and are granted all at once."""
    policy = "".join(f"n{n} tcp 127.0.0.1:{2000 + n} reuseport=8 get=postern store=postern-binder\n" for n in range(8))
    broker = Broker(policy, store=[f"n{n}" for n in range(8)])
    names = [f"n{n}" for n in range(8)]

    def one_connection():
        peer, other, codes = Peer(), Peer(), []
        for _ in range(20):
            peer.send(get_text(*names))
        # (Of each connection one request is answered in turn: those are, before one reply has been read.)
        for _ in range(21):
            other.hello()
        for _ in range(20):
            reply, fds = peer.receive()
            codes.append((reply.split(" ")[1], len(fds)))
        return codes

    codes = run_as(POSTERN, one_connection)
    expect(codes == [("200", 64)] + [("429", 0)] * 19, codes)

    def many_that_waited():
        first, waiting = Peer(), []
        first.get(*names, mode="exclusive")
        for _ in range(10):
            peer = Peer()
            peer.send(get_text(*names, wait=20000))
            waiting.append(peer)
        # Two requests of another connection later they all wait.
        expect(Peer().code("PB1 HELLO a") == 200 and Peer().code("PB1 HELLO b") == 200, "HELLO")
        first.close()
        expect(Peer().code("PB1 HELLO c") == 200, "HELLO")
        time.sleep(0.2)
        answered = [peer for peer in waiting if select.select([peer.socket], [], [], 0)[0]]
        # As those read, the others get theirs.
        for peer in waiting:
            expect(len(peer.receive()[1]) == 64, "not granted in the end")
        return len(answered)

    count = run_as(POSTERN, many_that_waited)
    expect(count == 2, f"{64 * count} descriptors on their way at once")
    broker.stop()


@trial
def a_failed_grant_ends_no_lease():
    """Who cannot be sent its listener again, because others hoard descriptors, holds it all the same."""
    policy = "".join(f"n{n} tcp 127.0.0.1:{2000 + n} reuseport=8 get=@postern-app,postern store=postern-binder\n" for n in range(8))
    broker = Broker(policy, store=[f"n{n}" for n in range(8)])
    holder = Peer.__new__(Peer)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def connect_and_get():
        peer = Peer()
        peer.get("n0", mode="exclusive")
        socket.send_fds(theirs, [b"x"], [peer.socket.fileno()])

    run_as(POSTERN, connect_and_get, keep=(theirs.fileno(),))
    holder.socket = socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])
    holder.socket.settimeout(5)
    broker.limit_files(100)

    def hoard(ready):
        peers = [Peer(), Peer()]
        for peer in peers:
            peer.send(get_text(*(f"n{n}" for n in range(1, 8))))
            peer.socket.recv(16384, socket.MSG_PEEK)
        os.write(ready, b"x")
        time.sleep(60)

    reader, writer = os.pipe()
    children = [Child(STRANGER + n, hoard, writer, gid=APP, keep=(writer,)) for n in range(3)]
    for _ in children:
        os.read(reader, 1)
    code = run_as(POSTERN, lambda: holder.code(get_text("n0", mode="exclusive")), keep=(holder.socket.fileno(),))
    expect(code == 500, code)
    expect(run_as(POSTERN, lambda: Peer().code(get_text("n0"))) == 409, "the lease is gone")
    for child in children:
        child.kill()
    broker.stop()


@trial
def a_close_that_lingers():
    """A socket whose last close takes as long as its sender likes (SO_LINGER) stops the broker for no time."""
    broker = Broker()
    there, here = os.pipe(), os.pipe()

    def storer():
        def next_step():
            os.write(there[1], b"x")
            os.read(here[0], 1)

        sink = listener("127.0.0.1", 0)
        full = socket.create_connection(sink.getsockname())
        full.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                full.send(b"x" * 65536)
        full.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
        one, many = Peer(timeout=30), Peer(timeout=30)
        one.hello(), many.hello()
        next_step()
        # Refused here, and refused by the kernel where it is one of more than the broker has room for.
        one.send(store_text("submission", "tcp [::]:587"), [full.fileno()])
        with contextlib.suppress(PermissionError):
            many.send(store_text("submission", "tcp [::]:587"), [full.fileno()] * 9)
        full.close()
        next_step()
        start = time.monotonic()
        Peer(timeout=30).hello()
        seconds = time.monotonic() - start
        expect(one.receive()[0].startswith("PB1 415 ") and many.is_closed(), "taken")
        return seconds

    child = Child(BINDER, storer, keep=(there[1], here[0]))
    # (Stopped until the sender has closed its own copy.)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        expect(os.read(there[0], 1) == b"x", "the sender")
        os.kill(broker.pid, number)
        os.write(here[1], b"x")
    seconds = child.result(60)
    expect(seconds < 1, f"{seconds:.1f} s without an answer")
    broker.stop()


@trial
def who_waits_over_a_reload():
    """A right that is taken away counts for who waits, too; and so does the limit of 64 sockets."""
    policy = "".join(f"n{n} tcp 127.0.0.1:{2000 + n} get=postern,postern-app store=postern-binder\n" for n in range(32))
    broker = Broker(policy, store=[])
    names = [f"n{n}" for n in range(32)]
    ready = os.pipe()

    def wait(*wanted):
        peer = Peer(timeout=25)
        peer.send(get_text(*wanted, wait=20000))
        # (A request is read before those that are sent behind it, on whatever connection that was made behind it.)
        Peer().hello()
        os.write(ready[1], b"x")
        return int(peer.receive()[0].split(" ")[1])

    few = Child(POSTERN, wait, "n0", keep=(ready[1],))
    many = Child(APP, wait, *names, keep=(ready[1],))
    for _ in range(2):
        expect(os.read(ready[0], 1) == b"x", "a peer")
    broker.reload(policy.replace(" get=postern,", " reuseport=4 get="))
    for name in names:
        broker.store(name)
    codes = few.result(), many.result()
    expect(codes == (403, 413), codes)
    expect(broker.is_alive(), "gone")
    broker.stop()


@trial
def descriptors_in_flight_run_out():
    """ETOOMANYREFS: the broker's limit is lowered until its own grants cannot be sent; a 500, and it lives."""
    policy = "".join(f"n{n} tcp 127.0.0.1:{2000 + n} reuseport=8 get=@postern-app store=postern-binder\n" for n in range(8))
    broker = Broker(policy, store=[f"n{n}" for n in range(8)])
    broker.limit_files(100)
    text = get_text(*(f"n{n}" for n in range(8)))

    def hoard(ready):
        peers = []
        for _ in range(2):
            peer = Peer()
            peer.send(text)
            peers.append(peer)
        codes = []
        for peer in peers:
            codes.append(peer.socket.recv(16384, socket.MSG_PEEK).decode().split(" ")[1])
        os.write(ready, b"x")
        time.sleep(3)
        return codes

    reader, writer = os.pipe()
    children = [Child(STRANGER + n, hoard, writer, gid=APP, keep=(writer,)) for n in range(3)]
    for _ in children:
        os.read(reader, 1)
    codes = sum((child.result() for child in children), [])
    expect("500" in codes, codes)
    expect(broker.is_alive(), "gone")
    # Once who hoarded is gone, all goes on.
    def client():
        until(lambda: Peer().code(text) == 200, "a grant after the hoarders are gone", 5, 0.05)
    run_as(APP, client)
    broker.log("errno=109")
    broker.stop()
    return "ETOOMANYREFS: " + " ".join(codes)


@trial
def no_descriptor_left():
    """EMFILE: a connection that cannot be taken is told so, and the broker neither ends nor spins."""
    broker = Broker()
    used = broker.fds()
    broker.limit_files(used + 3)

    def client():
        held = []
        for _ in range(3):
            peer = Peer()
            peer.hello()
            held.append(peer)
        refused = []
        for _ in range(5):
            peer = Peer()
            reply, _ = peer.receive()
            refused.append(reply.split("\n")[0])
        return refused

    refused = run_as(POSTERN, client)
    expect(refused == ["PB1 429 TOO-MANY 0"] * 5, refused)
    before = cpu(broker.pid)
    time.sleep(0.5)
    expect(cpu(broker.pid) - before < 0.1, "it spins")
    until(lambda: run_as(POSTERN, lambda: Peer().code("PB1 HELLO a")) == 200, "served again")
    broker.stop()


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@trial
def a_connection_passed_on():
    """To another uid it is of no use, whoever connected: nor is root's, nor one from a set-id program."""
    broker = Broker()

    def passed(connector, asker):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

        def give():
            peer = Peer()
            socket.send_fds(theirs, [b"x"], [peer.socket.fileno()])

        ours.settimeout(10)
        run_as(connector, give, keep=(theirs.fileno(),))
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)

        def ask():
            peer = Peer.__new__(Peer)
            peer.socket = socket.socket(fileno=fds[0])
            peer.socket.settimeout(5)
            return peer.code(get_text("smtp"))

        try:
            return run_as(asker, ask, keep=tuple(fds))
        finally:
            os.close(fds[0])

    expect(passed(POSTERN, POSTERN) == 200, "the same uid")
    expect(passed(POSTERN, STRANGER) == 403, "passed on to a stranger")
    expect(passed(0, STRANGER) == 403, "root's connection, a stranger's request")
    expect(passed(STRANGER, POSTERN) == 403, "a stranger's connection, the right uid's request")

    def setuid_front():
        """Effective uid postern at connect, real uid another at the request: as in a set-id program."""
        os.setresuid(STRANGER, POSTERN, POSTERN)
        return Peer().code(get_text("smtp"))

    def as_root(function):
        child = Child(0, function, gid=STRANGER)
        return child.result()

    expect(as_root(setuid_front) == 403, "a set-id program as a front")
    broker.log("another user's than the one that connected")
    broker.stop()


@trial
def a_faked_sender():
    """SCM_CREDENTIALS of somebody else cannot be sent without a capability; with it, it is still compared."""
    broker = Broker()

    def fake(uid):
        peer = Peer()
        credentials = struct.pack("iII", os.getpid(), uid, uid)
        try:
            peer.socket.sendmsg([get_text("smtp").encode()],
                                [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
        except PermissionError:
            return "kept off"
        return peer.receive()[0].split(" ")[1]

    expect(run_as(STRANGER, fake, POSTERN) == "kept off", "a stranger faked postern")
    expect(run_as(0, fake, POSTERN, gid=0) == "403", "root faked postern")
    expect(run_as(POSTERN, fake, POSTERN) == "200", "one's own")
    broker.stop()


@trial
def peers_that_die_at_every_step():
    """kill -9 before HELLO, behind it, while it waits, with a grant unread, with a lease, within a STORE."""
    broker = Broker(store=("smtp", "resolver"))
    before = broker.fds()

    def step(number, ready):
        peer = Peer()
        if number >= 1:
            peer.hello()
        if number == 2:
            peer.send(get_text("smtp", mode="exclusive"))
        if number == 3:
            peer.get("smtp", mode="exclusive")
        if number == 4:
            peer.send(get_text("submission", wait=60000))
        if number == 5:
            peer.send("PB1 GE")
        os.write(ready, b"x")
        time.sleep(60)

    for number in range(6):
        reader, writer = os.pipe()
        child = Child(POSTERN, step, number, writer, keep=(writer,))
        os.read(reader, 1)
        child.kill()
        os.close(reader), os.close(writer)
        code = run_as(POSTERN, lambda: Peer().code(get_text("smtp", mode="exclusive", wait=2000)))
        expect(code == 200, f"step {number}: {code}")

    made = listener("127.0.0.1", 80)

    def storer():
        peer = Peer()
        peer.hello()
        peer.send(store_text("http", "tcp 127.0.0.1:80"), [made.fileno()])
        os.kill(os.getpid(), signal.SIGKILL)

    child = Child(BINDER, storer, keep=(made.fileno(),))
    child.wait()
    broker.log("event=store .*name=http")
    before += 1
    until(lambda: broker.fds() == before, f"{broker.fds()} descriptors, {before} before")
    broker.stop()


@trial
def nobody_traces_the_broker():
    """Its own uid can neither take its descriptors nor trace it, nor read its memory or its list of files."""
    broker = Broker()

    def thief():
        pidfd = os.pidfd_open(broker.pid)
        results = {}
        libc.syscall.restype = ctypes.c_long
        results["pidfd_getfd"] = ctypes.get_errno() if libc.syscall(438, pidfd, 5, 0) < 0 else 0
        results["ptrace"] = ctypes.get_errno() if libc.ptrace(16, broker.pid, 0, 0) < 0 else 0
        for path in ["fd", "mem", "environ", "maps"]:
            try:
                (os.listdir if path == "fd" else open)(f"/proc/{broker.pid}/{path}")
                results[path] = 0
            except PermissionError as error:
                results[path] = error.errno
        return results

    results = run_as(BROKER, thief)
    expect(all(value in (errno.EPERM, errno.EACCES) for value in results.values()), results)
    status = open(f"/proc/{broker.pid}/status").read()
    for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"]:
        expect(re.search(rf"^{key}:\s+0+$", status, re.M), f"{key} is not empty")
    expect(re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M), "no filter")
    broker.stop()


@trial
def the_sandbox_holds():
    """What the filter allows is what the program says, and the policy's folder is all that it can read."""
    listed = subprocess.run([PROGRAM, "--show-filter"], capture_output=True, text=True, timeout=5,
                            preexec_fn=lambda: become(BROKER), env={})
    calls = listed.stdout.split("\n")[:-1]
    expect(listed.returncode == 0 and 15 < len(calls) < 30, listed)
    for forbidden in ["socket", "execve", "clone", "mmap", "bind", "kill", "ptrace", "open "]:
        expect(not any(call == forbidden.strip() for call in calls), f"{forbidden} is allowed")
    broker = Broker()
    # The kernel's own view: with CAP_SYS_ADMIN a filter's program can be read by ptrace; here its count must do.
    expect(re.search(r"^Seccomp_filters:\s+1$", open(f"/proc/{broker.pid}/status").read(), re.M), "not one filter")
    # A policy that was replaced (another inode) is still readable after Landlock, users and groups, too.
    with open("/etc/passwd") as file:
        passwd = file.read()
    with open("/etc/passwd.new", "w") as file:
        file.write(passwd + "latecomer:x:7777:7777::/:/bin/false\n")
    os.rename("/etc/passwd.new", "/etc/passwd")
    try:
        line = broker.reload(DEFAULT_POLICY.replace("get=postern,postern-app", "get=latecomer"))
        expect("verdict=done" in line, line)
        expect(run_as(7777, lambda: Peer().code(get_text("smtp"))) == 200, "a user added later")
        expect(run_as(POSTERN, lambda: Peer().code(get_text("smtp"))) == 403, "a right that was taken away")
    finally:
        with open("/etc/passwd.new", "w") as file:
            file.write(passwd)
        os.rename("/etc/passwd.new", "/etc/passwd")
    broker.stop()
    return f"{len(calls)} system calls: " + ", ".join(calls)


@trial
def a_binder_stores_with_no_false_broker():
    """Whoever listens at the compiled-in path and is not the user postern-broker gets no listener."""
    write_policy(DEFAULT_POLICY)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.bind(PATH)
    os.chmod(PATH, 0o666)
    sock.listen(8)

    def false_broker(uid, connected_as_root):
        """Answers HELLO and STORE with 200, and says what descriptors it got."""
        if uid:
            become(uid)
        client, _ = sock.accept()
        client.settimeout(5)
        got = 0
        with contextlib.suppress(OSError, ConnectionError):
            for _ in range(2):
                data, control, _, _ = client.recvmsg(4096, socket.CMSG_SPACE(64 * 4))
                if not data:
                    break
                got += sum(len(value) // 4 for level, kind, value in control if kind == socket.SCM_RIGHTS)
                client.send(b"PB1 200 OK binder\nversion=1\ngeneration=0123456789abcdef\n")
        return got

    # The socket is root's, as where systemd makes it; who answers is a stranger, then root.
    for uid in (STRANGER, 0):
        child = Child(0, false_broker, uid, True, gid=0, keep=(sock.fileno(),))
        status, words = run_binder("smtp", "--store")
        expect(status == 77 and "not the user postern-broker" in words, (status, words))
        expect(child.result() == 0, "a false broker got a listener")
    sock.close()
    os.unlink(PATH)

    def strangers_socket():
        mine = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine.bind(PATH)
        mine.listen(8)
        os.chmod(PATH, 0o666)
        print("listening", flush=True)
        client, _ = mine.accept()
        client.settimeout(5)
        try:
            return len(client.recv(4096))
        except ConnectionError:
            return 0

    os.chmod("/run/postern", 0o777)
    child = Child(STRANGER, strangers_socket)
    until(lambda: os.path.exists(PATH), "the false broker's socket")
    time.sleep(0.1)
    status, words = run_binder("smtp", "--store")
    expect(status == 77 and "neither root's nor postern-broker's" in words, (status, words))
    expect(child.result() == 0, "a stranger's socket was spoken to")
    os.chmod("/run/postern", 0o755)
    os.unlink(PATH)
    status, words = run_binder("smtp", "--store")
    expect(status == 69 and "is postern-broker running?" in words, (status, words))
    # And only who has store=.
    status, words = run_binder("smtp", "--store", uid=POSTERN)
    expect(status == 77 and "store=" in words, (status, words))


if __name__ == "__main__":
    main(TRIALS)
