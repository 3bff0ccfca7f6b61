"""A broker in a network of its own, and peers of every uid that talk to it: what the trials beside this file stand on.

Run as root, in a world that scripts/in-world made. Everything waits with a bound, and every process that is started here
is ended here.
"""
import array, contextlib, ctypes, errno, faulthandler, fcntl, os, pickle, re, resource, select, signal, socket, struct, subprocess, sys
import threading, time, traceback

"x".encode("idna")  # (Loaded now: a child of another uid may not be able to.)
POSTERN, APP, BROKER, BINDER = 62525, 62526, 62528, 62529
PATH = "/run/postern/broker.sock"
POLICY = "/etc/postern/sockets.conf"
PROGRAM = os.environ["POSTERN_BIN"] + "/postern-broker"
BIND = os.environ["POSTERN_BINDER"]

DEFAULT_POLICY = """\
smtp        tcp [::]:25          get=postern,postern-app store=postern-binder list=postern drop=postern
submission  tcp [::]:587         get=postern store=postern-binder
http        tcp 127.0.0.1:80     get=@postern-app store=postern-binder drop=postern-binder
resolver    udp 127.0.0.1:53     get=postern store=postern-binder
pair        tcp 127.0.0.1:81     reuseport=2 get=postern store=postern-binder
"""


libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def until(condition, what, seconds=5.0, step=0.002):
    """Waits for something that shows by no event; fails when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(step)


def become(uid, gid=None, groups=(), bounded=False):
    """Gives root up for good, capabilities and all; with `bounded` the bounding set, too, as a unit's would be."""
    number = 0
    while bounded and libc.prctl(24, number, 0, 0, 0) == 0:  # PR_CAPBSET_DROP
        number += 1
    os.setgroups(list(groups))
    os.setresgid(gid if gid is not None else uid, *([gid if gid is not None else uid] * 2))
    os.setresuid(uid, uid, uid)


class Child:
    """A forked process of some uid that runs a function; its result, or its exception, comes back."""

    def __init__(self, uid, function, *arguments, gid=None, groups=(), keep=()):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            # Copies of its parent's connections would be leases: it has none but those that it is given.
            for fd in map(int, os.listdir("/proc/self/fd")):
                if fd > 2 and fd != writer and fd not in keep:
                    with contextlib.suppress(OSError):
                        os.close(fd)
            try:
                become(uid, gid, groups, bounded=uid != 0)
                result = (True, function(*arguments))
            except BaseException as error:
                result = (False, "".join(traceback.format_exception_only(type(error), error)).strip())
            with contextlib.suppress(BrokenPipeError):
                data = pickle.dumps(result)
                while data:
                    data = data[os.write(writer, data):]
            os._exit(0)
        os.close(writer)
        self.done = False

    def result(self, seconds=30.0):
        data = b""
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.reader], [], [], max(0, end - time.monotonic()))
            if not ready:
                self.kill()
                raise Failed(f"a child took more than {seconds} s")
            more = os.read(self.reader, 65536)
            if not more:
                break
            data += more
        self.wait()
        expect(data, "a child ended without a result")
        good, value = pickle.loads(data)
        expect(good, f"in a child: {value}")
        return value

    def kill(self, number=signal.SIGKILL):
        if not self.done:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self.wait()

    def wait(self):
        if not self.done:
            os.waitpid(self.pid, 0)
            os.close(self.reader)
            self.done = True


def run_as(uid, function, *arguments, **options):
    return Child(uid, function, *arguments, **options).result()


class Peer:
    """A connection to the broker."""

    def __init__(self, path=PATH, timeout=5.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # (As long as it blocks, connect(2) waits for a place in the broker's queue; with a timeout of Python's it fails.)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(timeout), 0))
        self.socket.connect(path)
        self.socket.settimeout(timeout)

    def send(self, text, fds=()):
        data = text if isinstance(text, bytes) else text.encode()
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        return self.socket.sendmsg([data], control)

    def receive(self):
        """The reply and its descriptors; ("", []) at the end of the connection."""
        data, control, flags, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(253 * 4), socket.MSG_CMSG_CLOEXEC)
        expect(not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC), "a reply was cut off")
        fds = []
        for level, kind, value in control:
            expect((level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS), "a strange control message")
            numbers = array.array("i")
            numbers.frombytes(value)
            fds += list(numbers)
        return data.decode(), fds

    def ask(self, text, fds=()):
        self.send(text, fds)
        return self.receive()

    def code(self, text, fds=()):
        """The reply's code; 0 if the connection was closed instead. Descriptors are closed."""
        try:
            reply, got = self.ask(text, fds)
        except (ConnectionResetError, BrokenPipeError):
            return 0
        for fd in got:
            os.close(fd)
        return int(reply.split(" ")[1]) if reply else 0

    def get(self, *names, mode="shared", wait=0):
        """Gets listeners as sockets; fails where they are refused."""
        reply, fds = self.ask(get_text(*names, mode=mode, wait=wait))
        expect(reply.startswith("PB1 200 "), f"GET {names}: {reply!r}")
        lines = dict(line.split("=", 1) for line in reply.splitlines()[1:])
        expect(int(lines["fds"]) == len(fds), f"{lines['fds']} announced, {len(fds)} came")
        return [socket.socket(fileno=fd) for fd in fds]

    def hello(self):
        reply, _ = self.ask("PB1 HELLO h\nmax=1\n")
        expect(reply.startswith("PB1 200 OK h\n"), f"HELLO: {reply!r}")
        return dict(line.split("=", 1) for line in reply.splitlines()[1:])

    def is_closed(self, seconds=5.0):
        """Whether the broker closes, once what it said before has been read."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def close(self):
        self.socket.close()


def get_text(*names, mode="shared", wait=0, tag="g"):
    return f"PB1 GET {tag}\n" + "".join(f"name={n}\n" for n in names) + f"mode={mode}\nwait={wait}\n"


def store_text(name, spec, replace=0):
    return f"PB1 STORE s\nname={name}\nspec={spec}\nreplace={replace}\n"


class Broker:
    """The built broker as the user postern-broker, without any capability, and its log."""

    def __init__(self, policy=DEFAULT_POLICY, store=("smtp",), arguments=(), environment=None, descriptors=None,
                 nofile=None):
        write_policy(policy)
        self.lines, self.condition = [], threading.Condition()
        self.start(arguments, environment or {}, descriptors or {}, nofile)
        for name in store:
            self.store(name)

    def start(self, arguments=(), environment=None, descriptors=None, nofile=None, leaks=()):
        """Starts it; `descriptors` maps LISTEN_FDS names to lists of descriptors, in order; `leaks` are open, too."""
        numbers = [(name, fd) for name, fds in (descriptors or {}).items() for fd in fds]
        mark = self.mark()
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(writer, 2)
            os.dup2(os.open("/dev/null", os.O_RDWR), 0)
            variables = {"PATH": "/usr/bin:/bin"} | (environment or {})
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 600) for _, fd in numbers]
            for index, fd in enumerate(high):
                os.dup2(fd, 3 + index, inheritable=True)
            os.closerange(3 + len(high), 4096)
            if high:
                variables |= {"LISTEN_FDS": str(len(high)), "LISTEN_PID": str(os.getpid()),
                              "LISTEN_FDNAMES": ":".join(name for name, _ in numbers)}
            for leak in leaks:
                os.dup2(0, leak, inheritable=True)
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
            become(BROKER, bounded=True)
            os.execve(PROGRAM, [PROGRAM, *arguments], variables)
        os.close(writer)
        self.reader = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self.reader.start()
        self.status = None
        self.log(r"event=start ", start=mark)

    def _read(self, descriptor):
        with os.fdopen(descriptor) as stream:
            for line in stream:
                with self.condition:
                    self.lines.append(line.rstrip("\n"))
                    self.condition.notify_all()
        with self.condition:
            self.lines.append("(end of log)")
            self.condition.notify_all()

    def log(self, pattern, seconds=5.0, start=0):
        """Waits for a line that matches; returns it."""
        end = time.monotonic() + seconds
        with self.condition:
            while True:
                for line in self.lines[start:]:
                    if re.search(pattern, line):
                        return line
                left = end - time.monotonic()
                expect(left > 0 and "(end of log)" not in self.lines[start:],
                       f"no line /{pattern}/ in the log:\n" + "\n".join(self.lines[-40:]))
                self.condition.wait(left)

    def mark(self):
        """The log's length now, for `start=` of log()."""
        with self.condition:
            return len(self.lines)

    def store(self, *names, uid=BINDER):
        outcome = run_binder(*names, "--store", uid=uid)
        expect(outcome == (0, ""), f"postern-binder {names} --store: {outcome}")

    def reload(self, policy=None):
        mark = self.mark()
        if policy is not None:
            write_policy(policy)
        os.kill(self.pid, signal.SIGHUP)
        return self.log(r"event=reload ", start=mark)

    def stop(self, number=signal.SIGTERM):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self.status = os.waitpid(self.pid, 0)[1]
            self.reader.join(5)
        return self.status

    def is_alive(self):
        return os.waitpid(self.pid, os.WNOHANG) == (0, 0)

    def limit_files(self, count):
        """Lowers RLIMIT_NOFILE of the running broker, as only its own uid may."""
        run_as(BROKER, lambda: resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (count, count)))

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self, key="RssAnon"):
        return int(re.search(rf"^{key}:\s+(\d+)", open(f"/proc/{self.pid}/status").read(), re.M)[1])


def write_policy(text):
    with open(POLICY + ".new", "w") as file:
        file.write(text)
    os.rename(POLICY + ".new", POLICY)


def run_binder(*arguments, uid=BINDER):
    """The exit status and the complaint of a binder."""
    groups = {"postern": POSTERN}
    process = subprocess.run([BIND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
                             env={"PATH": "/usr/bin:/bin"},
                             preexec_fn=lambda: become(uid, uid, (62527,) if uid in (POSTERN, BINDER) else ()))
    return process.returncode, process.stderr.strip()


class Load:
    """Clients that connect to a port without a pause, and count: served, refused, reset, slow."""

    def __init__(self, port, workers=4, banner=True, pause=0.0):
        self.port, self.banner, self.pause = port, banner, pause
        self.served = self.refused = self.reset = self.slow = 0
        self.lock, self.ending = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.ending.is_set():
            kind = self._once()
            with self.lock:
                setattr(self, kind, getattr(self, kind) + 1)
            if self.pause:
                time.sleep(self.pause)

    def _once(self):
        with socket.socket() as client:
            client.settimeout(10)
            try:
                client.connect(("127.0.0.1", self.port))
            except ConnectionRefusedError:
                return "refused"
            except (socket.timeout, OSError):
                return "slow"
            if not self.banner:
                return "served"
            try:
                return "served" if client.recv(64) else "reset"
            except ConnectionResetError:
                return "reset"
            except socket.timeout:
                return "slow"

    def wait_for(self, count, seconds=20.0):
        """Waits until so many more were served."""
        goal = self.served + count
        until(lambda: self.served >= goal, f"{count} more connections served on {self.port} ({self})", seconds)

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(15)
        return self

    def __str__(self):
        return f"served {self.served}, refused {self.refused}, reset {self.reset}, slow {self.slow}"


def serve(names, ready=None):
    """What an app does: gets its listener, greets each client, holds its lease; never returns."""
    peer = Peer()
    listeners = peer.get(*names, wait=5000)
    for listener in listeners:
        listener.setblocking(False)
    poller = select.poll()
    by_number = {listener.fileno(): listener for listener in listeners}
    for number in by_number:
        poller.register(number, select.POLLIN)
    if ready is not None:
        os.write(ready, b"x")
    while True:
        for number, events in poller.poll(20 if ready is None else 1000):
            if events & ~select.POLLIN:
                # (Spoiled, and soon healed: what an app with epoll sees, too.)
                time.sleep(0.002)
                continue
            try:
                client, _ = by_number[number].accept()
            except (BlockingIOError, InterruptedError, OSError):
                continue
            with client:
                with contextlib.suppress(OSError):
                    client.sendall(b"220 here\r\n")


class App:
    """A process that serves, until it is killed."""

    def __init__(self, *names, uid=POSTERN):
        reader, writer = os.pipe()
        self.child = Child(uid, serve, names, writer, keep=(writer,))
        os.close(writer)
        ready, _, _ = select.select([reader], [], [], 10)
        expect(ready and os.read(reader, 1) == b"x", "an app did not get its listener")
        os.close(reader)
        self.pid = self.child.pid

    def kill(self):
        self.child.kill()


def listener(address, port, backlog=128, family=socket.AF_INET, kind=socket.SOCK_STREAM, v6only=None, reuse=False):
    """A socket that somebody else than the binder made."""
    made = socket.socket(family, kind)
    if kind == socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if v6only is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM and backlog:
        made.listen(backlog)
    return made


def main(trials):
    """Runs the trial that the first argument names; prints what it returns, or why it failed."""
    name = sys.argv[1]
    faulthandler.dump_traceback_later(100, exit=True)
    try:
        result = trials[name](*sys.argv[2:])
    except BaseException as error:
        words = str(error) if isinstance(error, Failed) else traceback.format_exc()
        print(f"FAILED {name}: {words}", flush=True)
        os._exit(1)
    if result:
        print(result)
    print("held", flush=True)
    # (Whatever was started ends with this process: the trial has a PID namespace of its own.)
    os._exit(0)
