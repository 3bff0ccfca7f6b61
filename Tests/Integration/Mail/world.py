"""A machine for mail programs: /usr with the peers' programs laid over it, their users, empty spools, no name server.

Run as root in a mount, network, UTS and PID namespace of one's own, inside a world that scripts/in-world made: nothing
here touches the machine's own mail. Everything waits with a bound, and every process that is started here is ended here.
"""
import contextlib, os, re, signal, smtplib, socket, subprocess, sys, time

PEERS = os.environ["POSTERN_PEERS"]
POSTERN = os.environ["POSTERN_BIN"] + "/postern"
QUICK = "POSTERN_QUICK" in os.environ
FULL = "POSTERN_FULL" in os.environ  # (scripts/chaos: as many messages as make a proof)
FOLDER = "/run/mail"  # (a tmpfs of this trial's own, gone with it)

USERS = {"postfix": 62540, "postdrop": 62541, "Debian-exim": 62542, "opensmtpd": 62543, "opensmtpq": 62544, "store": 62545}

# What a backend does with a message: its content and its envelope, each value of it ended by a NUL, in a folder.
DELIVER = """\
#!/bin/sh
umask 022
folder=$1; shift
file=$(mktemp "$folder/XXXXXXXXXXXX") || exit 75
cat >"$file.content" && printf '%s\\0' "$@" >"$file.part" && mv "$file.part" "$file.envelope" || exit 75
rm "$file"
"""


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def until(test, what, seconds=30.0, step=0.01):
    """Waits for what shows by no event; its value, or a failure that says what did not come."""
    end = time.monotonic() + seconds
    while not (value := test()):
        expect(time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(step)
    return value


def attempt(*command, **options):
    """Runs a program to its end; its exit status and what it printed."""
    options = {"stdin": subprocess.DEVNULL, **options}
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, **options)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]}: still running after 120 s: {error.output}") from None
    return done.returncode, done.stdout.decode(errors="replace")


def run(*command, **options):
    """Runs a program to its end; what it printed. A failure says all of it."""
    status, text = attempt(*command, **options)
    expect(status == 0, f"{command[0]}: status {status}: {text.strip()}")
    return text


def make():
    """Makes the machine that this process and its children see."""
    expect("POSTERN_WORLD" in os.environ, "this needs a world: scripts/in-world")
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={PEERS}/root/usr:/usr", "/usr")
    for folder in ("/run", "/var/lib", "/var/spool", "/var/log", "/var/mail"):
        os.makedirs(folder, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    os.mkdir(FOLDER, 0o755)
    os.mkdir("/run/lock", 0o1777)
    # A copy of all of it: where somebody outside replaces a file, what is mounted upon that is gone here.
    os.mkdir(FOLDER + "/etc", 0o755)
    run("cp", "-a", "/etc/.", FOLDER + "/etc")
    run("mount", "--bind", FOLDER + "/etc", "/etc")
    # (as Debian's package makes them)
    os.makedirs("/var/lib/opensmtpd/empty", 0o755)
    os.makedirs("/var/spool/smtpd", 0o711)
    socket.sethostname("mail.test")
    # (The kernel's table of sockets is read often: let it be short.)
    with contextlib.suppress(OSError), open("/proc/sys/net/ipv4/tcp_max_tw_buckets", "w") as file:
        file.write("0")

    def instead(path, text):
        copy = FOLDER + "/" + path.strip("/").replace("/", "-")
        with open(copy, "w") as file:
            file.write(text)
        os.chmod(copy, 0o644)
        if not os.path.exists(path):
            open(path, "w").close()
        run("mount", "--bind", copy, path)

    def known(path):
        with open(path) as file:
            return "".join(line for line in file if line.split(":")[0] not in USERS)

    home = "/nonexistent:/usr/sbin/nologin"
    instead("/etc/passwd", known("/etc/passwd") + "".join(f"{n}:x:{i}:{i}:{n}:{home}\n" for n, i in USERS.items()))
    instead("/etc/group", known("/etc/group") + "".join(f"{n}:x:{i}:\n" for n, i in USERS.items()))
    instead("/etc/hosts", "127.0.0.1 localhost mail.test\n")
    instead("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    instead("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    instead("/etc/mailname", "mail.test\n")
    instead("/etc/aliases", "")
    write(FOLDER + "/deliver", DELIVER, 0o755)


def write(path, text, mode=0o644, owner=None):
    """Writes a file and returns its path."""
    data = text if isinstance(text, bytes) else text.encode()
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    if owner:
        os.chown(path, USERS[owner], USERS[owner])
    return path


def folder(name, owner=None, mode=0o755):
    """Makes a folder below this trial's own and returns its path."""
    path = f"{FOLDER}/{name}"
    os.makedirs(path, mode)
    if owner:
        os.chown(path, USERS[owner], USERS[owner])
    return path


class Program:
    """A program that runs beside the trial, with what it printed."""

    def __init__(self, *command, port=None, user=None, **options):
        self.name = os.path.basename(command[0])
        if user is not None:
            options |= {"user": user, "group": user, "extra_groups": []}
        self.path = f"{FOLDER}/{self.name}-{id(self)}.out"
        with open(self.path, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                **options)
        running.append(self)
        if port:
            until(lambda: self.check() and listens(port), lambda: f"{self.name} does not listen on {port}: {self.text}")

    @property
    def text(self):
        with open(self.path, errors="replace") as file:
            return file.read()[-4000:]

    def check(self):
        expect(self.process.poll() is None, f"{self.name} ended, status {self.process.returncode}: {self.text}")
        return True

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        running.remove(self)


running = []


def listens(port):
    """Whether somebody listens on the port; told from the kernel's table, so that nobody sees a connection for it."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:
            for line in file:
                words = line.split()
                if words[3] == "0A" and words[1].endswith(f":{port:04X}"):
                    return True
    return False


def established(port):
    """The connections that somebody who listens on the port of 127.0.0.1 has, and whose other end is not closed."""
    with open("/proc/net/tcp") as file:
        rows = [line.split()[1:4] for line in file]
    return {remote for local, remote, state in rows if state == "01" and local.endswith(f":{port:04X}")}


class Relay(Program):
    """`postern relay` as the user postern, between a port and one backend.

    `message` is what relay.yaml has under that name. With `utf8`, the backend has SMTPUTF8, and the relay, which asks
    it, has to announce it.
    """

    number = 0

    def __init__(self, port, backend, message="", utf8=None):
        Relay.number += 1
        home = folder(f"relay-{Relay.number}")
        os.chown(home, 62525, 62525)
        configuration = write(
            home + "/relay.yaml",
            f"""\
server: {{name: relay.test}}
listeners: [{{address: "127.0.0.1:{port}"}}]
routes:
  - recipients: "*"
    backends: ["127.0.0.1:{backend}"]
message: {{{message}}}
""")
        self.port = port
        super().__init__(POSTERN, "relay", "--config", configuration, port=port, user=62525)
        if utf8:
            until(self.has_utf8, f"the relay before {backend} announces SMTPUTF8")
        if utf8 is False:
            expect(not self.has_utf8(), f"the relay before {backend} announces SMTPUTF8")

    def has_utf8(self):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            client.ehlo("client.test")
            return client.has_extn("smtputf8")

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def descriptor_names(self):
        folder = f"/proc/{self.process.pid}/fd"
        return sorted(os.readlink(f"{folder}/{number}") for number in os.listdir(folder))


def main(trials, patience=560):
    """Runs the trial that the first argument names; prints `held` behind what it prints, or how it failed."""
    import faulthandler

    faulthandler.dump_traceback_later(patience, exit=True)
    try:
        make()
        trials[sys.argv[1]](*sys.argv[2:])
        for program in running:
            if isinstance(program, Relay):
                program.check()
        print("held", flush=True)
        status = 0
    except Failed as failure:
        print(f"failed: {failure}", flush=True)
        status = 1
    for program in running.copy():
        program.stop()
    sys.stdout.flush()
    os._exit(status)
