"""What clients on the port notice, while apps die, holders spoil the listener and ports come: nothing.

One function a trial, named by the first argument. "Refused" is a connection that the kernel refused; "reset" one that had
been accepted by a process that was then killed, or that was in the queue of a listener that somebody shut down.
"""
import ctypes
from harness import *

TRIALS = {}


def trial(function):
    TRIALS[function.__name__] = function
    return function


def capabilities(pid):
    status = open(f"/proc/{pid}/status").read()
    return " ".join(f"{key}={re.search(rf'^{key}:.(.*)$', status, re.M)[1]}" for key in ["CapPrm", "CapEff", "CapBnd"])


@trial
def a_new_port_while_the_other_carries_load():
    """Port 587 comes by a one-shot binder to the running broker; of the connections to 25 none is refused."""
    broker = Broker()
    apps = [App("smtp"), App("smtp")]
    load = Load(25)
    load.wait_for(500)
    with_587 = Child(POSTERN, lambda: [s.getsockname()[1] for s in Peer(timeout=20).get("submission", wait=15000)])
    broker.store("submission")
    expect(with_587.result() == [587], "587 did not come")
    other = App("submission")
    extra = Load(587, workers=1)
    extra.wait_for(200)
    load.wait_for(500)
    load.stop(), extra.stop()
    lines = [f"{name} pid {pid}: {capabilities(pid)}"
             for name, pid in [("broker", broker.pid), ("app on 25", apps[0].pid), ("app on 587", other.pid)]]
    expect(all("CapPrm=0000000000000000 CapEff=0000000000000000 CapBnd=0000000000000000" in line for line in lines), lines)
    expect(load.refused == load.reset == load.slow == 0 and extra.refused == 0, f"25: {load}; 587: {extra}")
    return "\n".join(lines + [f"port 25: {load}", f"port 587: {extra}"])


@trial
def an_app_killed_twenty_times():
    """kill -9 under load: clients wait in the queue until the next one has the listener."""
    broker = Broker()
    app = App("smtp")
    load = Load(25)
    for _ in range(20):
        load.wait_for(100)
        app.kill()
        time.sleep(0.02)  # (a supervisor's time: meanwhile connections wait in the queue)
        app = App("smtp")
    load.wait_for(100)
    load.stop()
    expect(load.refused == 0 and load.slow == 0, str(load))
    # Each kill can reset what that process had accepted, and was talking to: one at a time here.
    expect(load.reset <= 20, str(load))
    return f"20 kill -9: {load}"


UNSPEC = b"\0" * 16


def shut_down(s):
    s.shutdown(socket.SHUT_RDWR)


def connect_nowhere(s):
    expect(libc.connect(s.fileno(), UNSPEC, 16) == 0, "connect to AF_UNSPEC")


def shut_down_and_connect_elsewhere(s):
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen(1)
        s.setblocking(True)
        s.shutdown(socket.SHUT_RDWR)
        # (The broker may be quicker than this: then it is a listener again, and that is what is wanted.)
        with contextlib.suppress(OSError):
            s.connect(("::ffff:127.0.0.1", elsewhere.getsockname()[1]))


def shrink(s):
    s.listen(0)


def spoil(how, broker, limit, event):
    """Spoils port 25 under load five times; how long until it is whole, each time, by what a client sees."""
    app = App("smtp")
    load = Load(25, workers=2, pause=0.001)
    load.wait_for(50)
    times = []
    for _ in range(5):
        mark = broker.mark()
        go = os.pipe()

        def holder():
            peer = Peer()
            listener, = peer.get("smtp")
            os.write(go[1], b"x")
            how(listener)
            # From now on it must be whole again without its help.
            start = time.perf_counter()
            end = start + 5
            while time.perf_counter() < end:
                if whole(listener):
                    return (time.perf_counter() - start) * 1000
                time.sleep(0.0005)
            return 1e9

        def whole(listener):
            if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return False
            return backlog(listener) == 4096

        times.append(run_as(POSTERN, holder, keep=go))
        if event:
            line = broker.log(r"event=healed name=smtp", start=mark)
            expect(f"{POSTERN}:" in line, line)
    load.wait_for(50)
    load.stop()
    app.kill()
    expect(max(times) < limit, f"{max(times):.1f} ms")
    # Where an accepted queue is thrown away by the kernel, or the port is deaf for a moment, the client sees it.
    return f"{how.__name__}: whole after {min(times):.1f} to {max(times):.1f} ms (limit {limit}); load: {load}"


def backlog(listener):
    """tcpi_sacked of a listening socket's TCP_INFO is its backlog."""
    return struct.unpack_from("I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 28)[0]


@trial
def spoilt_by_shutdown():
    """There is an event: within 50 ms."""
    return spoil(shut_down, Broker(), 50, True)


@trial
def spoilt_by_connecting_nowhere():
    return spoil(connect_nowhere, Broker(), 1100, True)


@trial
def spoilt_by_connecting_elsewhere():
    return spoil(shut_down_and_connect_elsewhere, Broker(), 1100, True)


@trial
def spoilt_by_a_backlog_of_nothing():
    return spoil(shrink, Broker(), 1100, False)


@trial
def spoilt_udp():
    """A UDP socket that a holder connected hears nobody else; within 1.1 s it hears everybody again."""
    broker = Broker(store=("resolver",))

    def holder():
        peer = Peer()
        held, = peer.get("resolver")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            held.connect(other.getsockname())
            start = time.perf_counter()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                held.settimeout(0.005)
                while time.perf_counter() - start < 5:
                    client.sendto(b"?", ("127.0.0.1", 53))
                    with contextlib.suppress(socket.timeout, ConnectionRefusedError):
                        if held.recv(10) == b"?":
                            return (time.perf_counter() - start) * 1000
        return 1e9

    times = [run_as(POSTERN, holder) for _ in range(3)]
    expect(max(times) < 1100, f"{max(times):.0f} ms")
    broker.log("event=healed name=resolver")
    return f"a connected UDP socket: whole after {min(times):.1f} to {max(times):.1f} ms"


@trial
def spoilt_devices():
    """A UDP socket that a holder bound to a device, or took off its own, is as it was; a TCP one is said to be spoiled."""
    broker = Broker("plain udp 127.0.0.1:53 get=postern store=postern-binder list=postern\n"
                    "bound udp 127.0.0.1:54 device=lo get=postern store=postern-binder list=postern\n"
                    "stuck tcp 127.0.0.1:55 get=postern store=postern-binder list=postern\n",
                    store=("plain", "bound", "stuck"))

    def holder():
        peer = Peer()
        plain, bound, stuck = peer.get("plain", "bound", "stuck")
        other = socket.if_nameindex()[-1][1].encode() + b"\0"
        device = lambda held: held.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, other)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, other)
        connect_nowhere(bound)
        expect((device(plain), device(bound)) == (other, b""), "not spoilt")
        until(lambda: (device(plain), device(bound)) == (b"", b"lo\0"), "healed", 1.5)
        # Who connects it has it healed, device and all.
        bound.connect(("127.0.0.1", 9))
        until(lambda: device(bound) == b"lo\0" and not is_connected(bound), "healed", 1.5)
        listed = peer.ask("PB1 LIST a")[0]
        expect(re.findall(r"item=(\S+) .* spoiled", listed) == ["stuck"], listed)

    run_as(POSTERN, holder)
    broker.log("event=healed name=plain")
    broker.log("event=healed name=bound")
    broker.stop()


def is_connected(held):
    try:
        held.getpeername()
        return True
    except OSError:
        return False


@trial
def spoilt_by_another_family():
    """IPV6_ADDRFORM makes an IPv4 socket of `*`, which looks right and hears no IPv6 any more: that is said."""
    broker = Broker("both udp *:53 get=postern store=postern-binder list=postern\n"
                    "web tcp *:80 get=postern store=postern-binder list=postern\n", store=("both", "web"))

    def holder():
        peer = Peer()
        both, web = peer.get("both", "web")
        elsewhere = listener("127.0.0.1", 0)
        for held in (both, web):
            if held is web:
                held.shutdown(socket.SHUT_RDWR)
                connect_nowhere(held)

            def is_converted():
                # (The broker heals it meanwhile.)
                with contextlib.suppress(OSError):
                    connect_nowhere(held)
                    held.connect(("::ffff:127.0.0.1", elsewhere.getsockname()[1]))
                    held.setsockopt(socket.IPPROTO_IPV6, 1, socket.AF_INET)
                return held.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == socket.AF_INET

            until(is_converted, "an IPv4 socket")
            connect_nowhere(held)
        until(lambda: peer.ask("PB1 LIST a")[0].count(" spoiled") == 2, "both are spoiled", 2.5, 0.05)

    run_as(POSTERN, holder)
    time.sleep(2.5)
    for name in ("both", "web"):
        broker.log(f"event=spoiled name={name}")
        expect(sum(f"event=spoiled name={name}" in line for line in broker.lines) <= 2, broker.lines)
    broker.stop()


@trial
def spoilt_for_good():
    """A UDP socket that a holder shut down for reading ends nobody's recv(2) any more: it is said to be spoiled, once."""
    broker = Broker(store=("resolver",))

    def holder():
        held, = Peer().get("resolver")
        held.connect(("127.0.0.1", 9))
        held.shutdown(socket.SHUT_RD)
        connect_nowhere(held)
        time.sleep(3.5)
        return held.recv(10)

    expect(run_as(POSTERN, holder) == b"", "not spoilt")
    events = [line for line in broker.lines if re.search("event=(spoiled|sound) ", line)]
    expect(len(events) == 1 and "event=spoiled name=resolver" in events[0], events)
    broker.stop()


@trial
def spoilt_without_a_pause():
    """A holder that shuts it down in a loop: it cannot keep the broker from serving others, nor use it up."""
    broker = Broker(store=("smtp", "submission"))

    def holder():
        peer = Peer()
        listener, = peer.get("smtp")
        end = time.monotonic() + 2
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

    child = Child(POSTERN, holder)
    broker.log("event=healed")
    before, start = cpu(broker.pid), time.monotonic()
    times = [run_as(POSTERN, timed) for _ in range(5)]
    child.result()
    used = (cpu(broker.pid) - before) / (time.monotonic() - start)
    expect(max(times) < 100, f"{max(times):.0f} ms for another listener")
    expect(used < 0.3, f"{used:.2f} of a processor")
    until(lambda: run_as(POSTERN, serves), "whole in the end", 3)
    lines = sum("event=healed" in line for line in broker.lines)
    broker.stop()
    return f"{lines} times healed in 2 s, {used:.2f} of a processor"


def timed():
    start = time.perf_counter()
    Peer().get("submission")
    return (time.perf_counter() - start) * 1000


def serves():
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 25), 1).close()
        return True
    return False


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@trial
def an_error_that_stays():
    """A UDP socket whose error queue nobody reads, or that was shut down, hangs up for ever: no reason to spin."""
    broker = Broker(store=("resolver",))

    def holder():
        held, = Peer().get("resolver")
        held.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        held.sendto(b"?", ("127.0.0.1", 9))
        until(lambda: select_errors(held), "an error in the queue")
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)

    run_as(POSTERN, holder)
    broker.log("event=spoiled name=resolver")
    before, mark = cpu(broker.pid), broker.mark()
    time.sleep(2.5)
    used = cpu(broker.pid) - before
    expect(used < 0.1, f"{used:.2f} s of a processor in 2.5 s")
    expect(broker.mark() - mark < 3, broker.lines[mark:])
    broker.stop()


def select_errors(held):
    poller = select.poll()
    poller.register(held, 0)
    return poller.poll(0)


@trial
def what_a_holder_set_ends_with_its_lease():
    """IP_MINTTL and TCP_DEFER_ACCEPT keep clients out of a listener; who gets it next gets it without."""
    broker = Broker()
    options = [(socket.IPPROTO_IP, 21, 255), (socket.IPPROTO_IPV6, 73, 255), (socket.IPPROTO_TCP, 9, 30)]

    def vandal():
        held, = Peer().get("smtp")
        for level, name, value in options:
            held.setsockopt(level, name, value)
        return [held.getsockopt(level, name) > 0 for level, name, _ in options]

    expect(all(run_as(POSTERN, vandal)), "nothing was set")
    broker.log("event=end-of-lease")

    def holder():
        peer = Peer()
        held, = peer.get("smtp")
        return [held.getsockopt(level, name) for level, name, _ in options]

    left = run_as(POSTERN, holder)
    expect(left == [0, 0, 0], left)

    def shares():
        """As long as somebody holds it, its options are left as they are."""
        first, second = Peer(), Peer()
        held, = first.get("smtp")
        held.setsockopt(socket.IPPROTO_TCP, 9, 30)
        other, = second.get("smtp")
        return other.getsockopt(socket.IPPROTO_TCP, 9) > 0

    expect(run_as(POSTERN, shares), "a holder's own option was taken off")
    broker.stop()


@trial
def a_filter_cannot_be_put_on():
    """SO_ATTACH_FILTER could keep every connection out, and only its owner could take it off."""
    broker = Broker()

    def holder():
        listener, = Peer().get("smtp")
        drop_all = struct.pack("HBBI", 6, 0, 0, 0)
        buffer = ctypes.create_string_buffer(drop_all)
        program = struct.pack("HxxxxxxP", 1, ctypes.addressof(buffer))
        try:
            listener.setsockopt(socket.SOL_SOCKET, 26, program)
            return 0
        except OSError as error:
            return error.errno

    expect(run_as(POSTERN, holder) == errno.EPERM, "a filter was put on")
    broker.stop()


@trial
def nobody_holds_it():
    """After 30 s without a lease the log names the listener, whose clients hang in its queue."""
    broker = Broker()
    line = broker.log("event=nobody-holds name=\"smtp\"", 35)
    broker.stop()
    return line


@trial
def memory_and_speed():
    """Private memory with 64 names held; a GET's time, median and 99th percentile, on one connection and on fresh ones."""
    policy = "".join(f"n{n} tcp 127.0.0.1:{2000 + n} get=postern store=postern-binder list=postern\n" for n in range(64))
    broker = Broker(policy, store=[])
    broker.store(*(f"n{n}" for n in range(32)))
    broker.store(*(f"n{n}" for n in range(32, 64)))

    def client():
        peer, times = Peer(), []
        text = get_text("n1").encode()
        for _ in range(5000):
            start = time.perf_counter_ns()
            peer.socket.send(text)
            data, control, _, _ = peer.socket.recvmsg(16384, 64)
            times.append(time.perf_counter_ns() - start)
            os.close(struct.unpack("i", control[0][2])[0])
        return sorted(times)

    times = run_as(POSTERN, client)
    status = {key: broker.memory(key) for key in ("VmRSS", "RssAnon", "RssFile")}
    expect(status["RssAnon"] < 1024, status)
    broker.stop()
    return (f"64 names held: {status['RssAnon']} kB private, {status['VmRSS']} kB in all; "
            f"GET: median {times[2500] / 1000:.1f} us, 99 % {times[4950] / 1000:.1f} us")


if __name__ == "__main__":
    main(TRIALS)
