"""The broker under a service manager that keeps its descriptors: one function a trial, named by the first argument.

The manager here is a socket and a dictionary, so that it can be slow, forgetful or gone; the real one has a suite of its
own.
"""
from harness import *

TRIALS = {}
NOTIFY = "/run/postern/notify"


def trial(function):
    TRIALS[function.__name__] = function
    return function


class Manager:
    """NOTIFY_SOCKET's other end: what was told, the descriptors that were stored, barriers that it lifts or does not."""

    def __init__(self, lift=True, watchdog=None, store=576, abstract=False):
        self.messages, self.stored, self.barriers = [], [], []
        self.lift = lift
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.address = "\0postern-notify" if abstract else NOTIFY
        with contextlib.suppress(FileNotFoundError):
            os.unlink(NOTIFY)
        self.socket.bind(self.address)
        if not abstract:
            os.chmod(NOTIFY, 0o666)
        self.socket.settimeout(0.2)
        self.environment = {"NOTIFY_SOCKET": self.address.replace("\0", "@")}
        if store:
            self.environment["FDSTORE"] = str(store)
        if watchdog:
            self.environment["WATCHDOG_USEC"] = str(watchdog)
        self.condition = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 253)
            except socket.timeout:
                continue
            text = data.decode()
            with self.condition:
                self.messages.append((time.monotonic(), text))
                lines = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
                if "BARRIER" in lines:
                    self.barriers += fds
                    if self.lift:
                        self._lift()
                elif "FDSTORE" in lines:
                    expect(lines.get("FDPOLL") == "0", "a descriptor stored without FDPOLL=0")
                    self.stored += [(lines["FDNAME"], fd) for fd in fds]
                elif "FDSTOREREMOVE" in lines:
                    for entry in [e for e in self.stored if e[0] == lines["FDNAME"]]:
                        self.stored.remove(entry)
                        os.close(entry[1])
                self.condition.notify_all()

    def _lift(self):
        for fd in self.barriers:
            os.close(fd)
        self.barriers = []

    def lift_now(self):
        with self.condition:
            self._lift()

    def wait(self, pattern, seconds=5.0):
        with self.condition:
            found = lambda: next((m for _, m in self.messages if re.search(pattern, m)), None)
            expect(self.condition.wait_for(found, seconds), f"no message /{pattern}/: {[m for _, m in self.messages]}")
            return found()

    def names(self):
        with self.condition:
            return sorted(name for name, _ in self.stored)

    def descriptors(self):
        """What a start gives back: name to list of descriptors."""
        result = {}
        with self.condition:
            for name, fd in self.stored:
                result.setdefault(name, []).append(fd)
        return result


@trial
def ready_and_status():
    manager = Manager(abstract=True)
    broker = Broker(environment=manager.environment)
    manager.wait("^READY=1$")
    manager.wait("^STATUS=holding 1 sockets under 5 names, leased 0")
    broker.reload()
    message = manager.wait("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$")
    micros = int(message.rsplit("=", 1)[1])
    expect(abs(micros / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 10, "not the monotonic clock")
    until(lambda: sum(m == "READY=1" for _, m in manager.messages) == 2, "READY=1 behind the reload")
    with manager.condition:
        order = [m for _, m in manager.messages if m.startswith(("READY", "RELOADING"))]
    expect([m.split("=")[0] for m in order] == ["READY", "RELOADING", "READY"], order)
    broker.reload("not a policy\n")
    manager.wait("STATUS=.*the policy as it is now cannot be used")
    broker.reload(DEFAULT_POLICY)
    broker.stop()
    manager.wait("STOPPING=1")


@trial
def the_watchdog_is_fed():
    manager = Manager(watchdog=400_000)
    broker = Broker(environment=manager.environment)
    time.sleep(1.5)
    with manager.condition:
        times = [t for t, m in manager.messages if m == "WATCHDOG=1"]
    gaps = [b - a for a, b in zip(times, times[1:])]
    expect(len(times) >= 6 and max(gaps) < 0.4, gaps)
    broker.stop()
    # One that is meant for another process is not ours to feed.
    manager = Manager(watchdog=100_000, abstract=True)
    broker.start(environment=manager.environment | {"WATCHDOG_PID": "1"})
    time.sleep(0.5)
    with manager.condition:
        expect(not any("WATCHDOG" in m for _, m in manager.messages), manager.messages)
    broker.stop()


@trial
def a_store_is_answered_when_the_manager_has_it():
    manager = Manager(lift=False)
    broker = Broker(environment=manager.environment, store=())
    made = listener("127.0.0.1", 80)

    def client():
        peer = Peer(timeout=20)
        peer.hello()
        start = time.monotonic()
        reply, _ = peer.ask(store_text("http", "tcp 127.0.0.1:80"), [made.fileno()])
        return reply, time.monotonic() - start

    child = Child(BINDER, client, keep=(made.fileno(),))
    manager.wait("BARRIER=1")
    # Others are served meanwhile.
    expect(run_as(APP, lambda: len(Peer().get("http"))) == 1, "not served while the manager is asked")
    expect(manager.names() == ["http", "postern.state"], manager.names())
    time.sleep(0.3)
    manager.lift_now()
    reply, seconds = child.result()
    expect(reply == "PB1 200 OK s\nstored=1\n" and seconds >= 0.3, (reply, seconds))
    # A manager that never answers: after 5 s the storer is told so.
    made = listener("127.0.0.1", 53, kind=socket.SOCK_DGRAM)

    def late():
        peer = Peer(timeout=20)
        peer.hello()
        return peer.ask(store_text("resolver", "udp 127.0.0.1:53"), [made.fileno()])[0]

    start = time.monotonic()
    reply = run_as(BINDER, late, keep=(made.fileno(),))
    expect(reply == "PB1 200 OK s\nstored=1\nx-stored=unconfirmed\n" and 4.5 < time.monotonic() - start < 8, reply)
    broker.stop()


@trial
def killed_and_started_again():
    """kill -9 with leases out: the same listeners, a new generation, no connection refused, old holders go on."""
    manager = Manager()
    broker = Broker(environment=manager.environment, store=("smtp", "pair", "resolver"))
    generation = run_as(POSTERN, lambda: Peer().hello()["generation"])
    app = App("smtp")
    load = Load(25)
    load.wait_for(100)
    broker.stop(signal.SIGKILL)
    load.wait_for(100)
    # The app that held it dies as well, while there is no broker.
    app.kill()
    time.sleep(0.1)
    broker.start(environment=manager.environment, descriptors=manager.descriptors())
    expect("sockets=4 " in broker.log("event=start .*sockets=4"), "not all came back")
    app = App("smtp")
    load.wait_for(100)
    load.stop()
    expect(load.refused == 0 and load.slow == 0 and load.reset <= 1, str(load))
    expect(run_as(POSTERN, lambda: Peer().hello()["generation"]) != generation, "the generation is the same")
    expect(run_as(POSTERN, lambda: len(Peer().get("pair", "resolver"))) == 3, "not all can be had")
    expect(manager.names().count("smtp") == 1, "stored twice")
    broker.stop()
    return str(load)


@trial
def an_exclusive_name_is_kept_for_its_holder():
    """After a restart its last holder's uid has 2 s; then it is anybody's."""
    manager = Manager()
    broker = Broker(environment=manager.environment)

    def hold():
        peer = Peer()
        peer.get("smtp", mode="exclusive")
        time.sleep(30)

    holder = Child(POSTERN, hold)
    broker.log("event=get .*mode=exclusive")
    broker.stop(signal.SIGKILL)
    holder.kill()
    start = time.monotonic()
    broker.start(environment=manager.environment, descriptors=manager.descriptors())
    code = run_as(APP, lambda: Peer().code(get_text("smtp")))
    # (On a machine so busy that the 2 s are over by now, 200 is right.)
    expect(code == 409 or time.monotonic() - start > 2, "another uid had it within its 2 s")
    expect(run_as(APP, lambda: Peer(timeout=10).code(get_text("smtp", wait=8000))) == 200, "not freed")
    expect(1.5 < time.monotonic() - start, f"{time.monotonic() - start:.2f} s")
    broker.stop(signal.SIGKILL)
    # (That lease was shared, so nothing is kept now.)
    broker.start(environment=manager.environment, descriptors=manager.descriptors())
    expect(run_as(APP, lambda: Peer().code(get_text("smtp", mode="exclusive"))) == 200, "kept for nobody")
    holder = Child(POSTERN, hold)
    broker.log(rf"event=get uid={POSTERN} .*mode=exclusive", start=broker.mark() - 1)
    broker.stop(signal.SIGKILL)
    holder.kill()
    broker.start(environment=manager.environment, descriptors=manager.descriptors())
    start = time.monotonic()
    expect(run_as(POSTERN, lambda: Peer().code(get_text("smtp", mode="exclusive"))) == 200, "its own holder")
    expect(time.monotonic() - start < 1, "its own holder waited")
    broker.stop()


@trial
def nobody_is_missed_at_the_start():
    """Who held a listener before a restart has 30 s to come back before the log says that nobody holds it."""
    made = listener("::", 25, family=socket.AF_INET6, v6only=0)
    broker = Broker(store=(), descriptors={"smtp": [made.fileno()]})
    time.sleep(2.5)
    expect(not any("event=nobody-holds" in line for line in broker.lines), broker.lines)
    broker.stop()


@trial
def what_comes_back_is_checked():
    """Spoiled while nobody looked: healed. Of another name or another socket: closed, and said."""
    manager = Manager()
    broker = Broker(environment=manager.environment, store=("smtp", "http"))
    broker.stop(signal.SIGKILL)
    descriptors = manager.descriptors()
    shut = socket.socket(fileno=os.dup(descriptors["smtp"][0]))
    shut.shutdown(socket.SHUT_RDWR)
    others = [listener("127.0.0.1", 90), listener("127.0.0.1", 91), listener("127.0.0.1", 92)]
    descriptors["stranger"], descriptors["submission"], descriptors["resolver"] = [[s.fileno()] for s in others]
    # The same socket twice, as where a socket unit gave it and the store has it, too.
    descriptors["http"] = [descriptors["http"][0], os.dup(descriptors["http"][0])]
    broker.start(environment=manager.environment, descriptors=descriptors)
    broker.log("event=unknown-socket name=\"stranger\"")
    broker.log("event=mismatched-socket name=\"submission\"")
    broker.log("event=mismatched-socket name=\"resolver\"")
    broker.log("event=start .*sockets=2")
    for other in others:
        other.close()
    for port in (90, 91, 92):
        listener("127.0.0.1", port).close()
    with socket.create_connection(("127.0.0.1", 25), 2):
        pass
    expect(run_as(APP, lambda: len(Peer().get("http"))) == 1, "http")
    expect(run_as(POSTERN, lambda: Peer().code(get_text("resolver"))) == 404, "a TCP socket as resolver")
    broker.stop()


@trial
def a_broken_policy_at_the_start_lets_no_port_go():
    """With listeners to hold it starts, gives nothing to anybody, and takes the policy when it is right."""
    manager = Manager()
    broker = Broker(environment=manager.environment)
    broker.stop(signal.SIGKILL)
    write_policy("smtp tcp [::]:25 gte=postern\n")
    broker.start(environment=manager.environment, descriptors=manager.descriptors())
    manager.wait("STATUS=.*cannot be used")
    with socket.create_connection(("127.0.0.1", 25), 2):
        pass
    expect(run_as(POSTERN, lambda: Peer().code(get_text("smtp"))) == 403, "granted without a policy")
    broker.reload(DEFAULT_POLICY)
    expect(run_as(POSTERN, lambda: len(Peer().get("smtp"))) == 1, "not after the reload")
    broker.stop()
    # Without listeners it has nothing to lose: it ends, and says where the fault is.
    write_policy("smtp tcp [::]:25 gte=postern\n")
    outcome = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=5, env={},
                             preexec_fn=lambda: become(BROKER))
    expect(outcome.returncode == 78 and "sockets.conf:1:18" in outcome.stderr, outcome)


@trial
def dropped_means_dropped():
    """A DROP, a replaced socket and a name taken out of the policy leave the manager's store, too."""
    manager = Manager()
    broker = Broker(environment=manager.environment, store=("smtp", "http", "submission"))
    expect(run_as(POSTERN, lambda: Peer().code("PB1 DROP d\nname=smtp")) == 200, "drop")
    until(lambda: "smtp" not in manager.names(), "smtp to leave the store")
    broker.reload(DEFAULT_POLICY.replace("submission ", "other      "))
    until(lambda: manager.names() == ["http", "postern.state"], f"the store: {manager.names()}")
    # Nobody has the ports any more.
    for port in (25, 587):
        listener("127.0.0.1", port).close()
    broker.stop()


@trial
def a_control_socket_from_the_manager():
    manager = Manager()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.bind(PATH)
    os.chmod(PATH, 0o666)
    control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # (PassCredentials=yes)
    control.listen(64)
    # Who connects before the broker is there waits for it.
    waiting = Child(POSTERN, lambda: len(Peer(timeout=10).hello()))
    smtp = listener("::", 25, family=socket.AF_INET6, v6only=0)
    broker = Broker(environment=manager.environment, store=(),
                    descriptors={"postern.control": [control.fileno()], "smtp": [smtp.fileno()]})
    expect(waiting.result() > 3, "who was early")
    expect(run_as(POSTERN, lambda: len(Peer().get("smtp"))) == 1, "a listener of a socket unit")
    expect("smtp" not in manager.names(), "what the manager has already was stored")
    broker.store("http")
    expect("http" in manager.names(), "what a binder brought was not")
    broker.stop(signal.SIGKILL)
    # Its connections wait in the queue of the control socket while it starts again.
    waiting = Child(POSTERN, lambda: len(Peer(timeout=10).get("smtp")))
    time.sleep(0.1)
    broker.start(environment=manager.environment,
                 descriptors={"postern.control": [control.fileno()], "smtp": [smtp.fileno()]} | manager.descriptors())
    expect(waiting.result() == 1, "who asked while there was no broker")
    broker.stop()
    outcome = subprocess.run(["setpriv", "--reuid", str(BROKER), "--regid", str(BROKER), "--clear-groups", PROGRAM],
                             capture_output=True, text=True, timeout=5, env={"NOTIFY_SOCKET": "vsock:2:1"})
    expect(outcome.returncode == 78 and "NOTIFY_SOCKET" in outcome.stderr, outcome)


if __name__ == "__main__":
    main(TRIALS)
