"""Groups of backends under load: who gets what, who is left out, who waits; and that no message is lost or doubled.

The backends are `postern sink`, which prints a line for each message before it says 250; each message has a recipient of
its own. A client that is told 4yz before the end of its message tries again, as a mail server would.
"""
import collections, json, os, re, signal, socket, sys, threading, time

import world

PORT = 2600
LOAD = 3000 if world.FULL else 300 if world.QUICK else 600


class Sink(world.Program):
    """A backend, with the recipients of what it took in its life; it may be killed and started again."""

    def __init__(self, port):
        self.port, self.earlier = port, []
        super().__init__(world.POSTERN, "sink", "--listen", f"127.0.0.1:{port}", port=port)

    def again(self):
        kept = f"{self.path}.{len(self.earlier)}"
        os.rename(self.path, kept)
        earlier = self.earlier + [kept]
        self.__init__(self.port)
        self.earlier = earlier

    @property
    def recipients(self):
        found = []
        for path in [*self.earlier, self.path]:
            with open(path) as file:
                found += re.findall(r" to=<([^>]*)>", file.read())
        return found


class Relay(world.Program):
    """`postern relay` with one group, `app`, on two event loops."""

    number = 0

    def __init__(self, backends, more="", timeouts="connect: 3s"):
        Relay.number += 1
        self.home = world.folder(f"groups-{Relay.number}")
        os.chown(self.home, 62525, 62525)
        self.admin = self.home + "/admin.sock"
        self.configuration = self.home + "/relay.yaml"
        self.write(backends, more, timeouts)
        super().__init__(
            world.POSTERN, "relay", "--config", self.configuration, port=PORT, user=62525,
            env={**os.environ, "POSTERN_EVENT_LOOPS": "2"})

    def write(self, backends, more="", timeouts="connect: 3s"):
        lines = "".join(f"    {line.strip()}\n" for line in more.splitlines())
        world.write(
            self.configuration,
            f"""\
server: {{name: relay.test}}
listeners: [{{address: "127.0.0.1:{PORT}"}}]
groups:
  app:
    backends: [{", ".join(backends)}]
{lines}routes: [{{recipients: "*", group: app}}]
timeouts: {{{timeouts}}}
admin: {{socket: {self.admin}, allow: [root]}}
""")

    def reload(self, *arguments):
        self.write(*arguments)
        before = self.lines("reloaded")
        os.kill(self.process.pid, signal.SIGHUP)
        world.until(lambda: self.lines("reloaded") > before, lambda: f"no reload: {self.text}")

    def lines(self, text):
        with open(self.path, errors="replace") as file:
            return file.read().count(text)

    def said(self, text):
        world.until(lambda: self.lines(text), lambda: f"no {text} in the log: {self.text}")

    def command(self, *words):
        return world.run(world.POSTERN, "backend", *words, "--socket", self.admin)

    def backends(self):
        return json.loads(self.command("list", "--json"))[0]["backends"]


def backend(port, **settings):
    """A backend as relay.yaml has it."""
    words = "".join(f", {key.replace('_', '-')}: {value}" for key, value in settings.items())
    return f'{{address: "127.0.0.1:{port}"{words}}}'


class Client:
    """One SMTP session."""

    def __init__(self, port=PORT):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.say("EHLO client.test")

    def reply(self):
        while line := self.file.readline().decode():
            if line[3:4] != "-":
                return line.strip()
        raise ConnectionResetError("closed")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def envelope(self, recipient):
        self.say("MAIL FROM:<a@sender.test>")
        return self.say(f"RCPT TO:<{recipient}>")

    def message(self, recipient):
        """The first reply that is no success, or the last one; and how far the message was."""
        for stage, line in (
            ("MAIL", "MAIL FROM:<a@sender.test>"), ("RCPT", f"RCPT TO:<{recipient}>"), ("DATA", "DATA"),
            ("dot", "Subject: x\r\n\r\nx\r\n."),
        ):
            reply = self.say(line)
            if reply[0] not in "23":
                return stage, reply
        return "done", reply

    def close(self):
        self.file.close()
        self.socket.close()


class Load:
    """Clients that send messages until they are told to stop, each with a recipient of its own."""

    def __init__(self, name, clients=8, limit=None, each=1):
        self.name, self.limit, self.each = name, limit, each
        self.accepted, self.ambiguous, self.errors = [], [], collections.Counter()
        self.counter, self.lock, self.ended = 0, threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def next(self):
        with self.lock:
            if self.limit is not None and self.counter >= self.limit or self.ended.is_set():
                return None
            self.counter += 1
            return f"{self.name}{self.counter}@sink.test"

    def run(self):
        client, sent = None, 0
        while recipient := self.next():
            for _ in range(1000):
                try:
                    client = client or Client()
                    stage, reply = client.message(recipient)
                except OSError as error:
                    stage, reply, client = "lost", str(error), None
                sent += 1
                if client and (stage != "done" or sent % self.each == 0):
                    if stage == "done":
                        client.say("QUIT")
                    client.close()
                    client = None
                with self.lock:
                    if stage == "done":
                        self.accepted.append(recipient)
                    else:
                        self.errors[f"{stage} {reply[:9]}"] += 1
                        # What the backend may have: no sender can know.
                        if stage == "dot" and "4.4.2" in reply:
                            self.ambiguous.append(recipient)
                if stage == "done" or recipient in self.ambiguous:
                    break
                time.sleep(0.01)
        if client:
            client.close()

    def reach(self, count):
        """Waits until so many more messages were accepted."""
        goal = len(self.accepted) + count
        world.until(lambda: len(self.accepted) >= goal, lambda: f"{len(self.accepted)} accepted: {self.errors}", 120)

    def stop(self, sinks):
        """Ends the load; each message that was accepted is at one backend, once."""
        self.ended.set()
        return self.join(sinks)

    def over(self):
        """Waits until every client has ended."""
        for thread in self.threads:
            thread.join(120)
            world.expect(not thread.is_alive(), f"a client hangs: {self.errors}")

    def verdict(self, sinks):
        """What was accepted and is nowhere, and what is there more than once though nobody was told to send it again."""
        with self.lock:
            accepted, ambiguous = self.accepted.copy(), set(self.ambiguous)
        came = collections.Counter(r for sink in sinks for r in sink.recipients if r.startswith(self.name))
        lost = [r for r in accepted if not came[r]]
        doubled = [r for r, count in came.items() if count > 1 and r not in ambiguous]
        return lost, doubled

    @property
    def refusals(self):
        """What clients were told and should not have been: everything but that nobody knows whether a message is there."""
        with self.lock:
            return self.errors.total() - len(self.ambiguous)

    def join(self, sinks):
        self.over()
        lost, doubled = self.verdict(sinks)
        world.expect(not lost, f"{len(lost)} lost, among them {lost[:3]}")
        world.expect(not doubled, f"{len(doubled)} doubled, among them {doubled[:3]}")
        print(
            f"{self.name}: {len(self.accepted)} accepted, lost 0, doubled 0, ambiguous {len(self.ambiguous)}, "
            f"errors {dict(self.errors)}", flush=True)
        return self.errors


def source(count, name, sessions=20):
    """Sends by Postfix's smtp-source, one message a session, numbers before the recipients."""
    text = world.run(
        "/usr/sbin/smtp-source", "-s", str(sessions), "-m", str(count), "-N", "-f", "a@sender.test", "-t",
        f"{name}@sink.test", "-l", "1024", f"127.0.0.1:{PORT}")
    world.expect(not text, f"smtp-source: {text}")


def balance(total=5 * LOAD):
    """The distribution over three backends by each method; by smtp-source, so that any refusal is a failure.

    The shares of least-connections are of sessions at a time: looked at where 30 sessions stay. Of messages one after the
    other, a backend that is quicker for a while rightly gets more; each has half of its share at least.
    """
    sinks = [Sink(2501), Sink(2502), Sink(2503)]
    cases = [
        ("round-robin", (1, 1, 1), (1 / 3, 1 / 3, 1 / 3), 0.002),
        ("round-robin", (3, 2, 1), (3 / 6, 2 / 6, 1 / 6), 0.002),
        ("least-connections", (1, 1, 1), (1 / 3, 1 / 3, 1 / 3), None),
        ("least-connections", (3, 2, 1), (3 / 6, 2 / 6, 1 / 6), None),
        ("first", (1, 1, 1), (1, 0, 0), 0),
    ]
    count = int(total) // len(cases)
    sent = 0
    for number, (method, weights, shares, tolerance) in enumerate(cases):
        relay = Relay([backend(s.port, weight=w) for s, w in zip(sinks, weights)], f"balance: {method}")
        name = f"balance{number}x"
        held = [Client() for _ in range(30)] if tolerance is None else []
        for client in held:
            world.expect(client.envelope("stays@sink.test").startswith("250"), "a session that stays was refused")
        if held:
            there = [b["connections"] for b in relay.backends()]
            print(f"{method} {':'.join(map(str, weights))}: {' '.join(map(str, there))} of 30 sessions at a time", flush=True)
            world.expect(there == [round(30 * share) for share in shares], f"{there} of 30 sessions")
        for client in held:
            client.close()
        started = time.monotonic()
        source(count, name)
        rate = count / (time.monotonic() - started)
        came = [[r for r in sink.recipients if name in r] for sink in sinks]
        everyone = [r for c in came for r in c]
        world.expect(len(everyone) == count and len(set(everyone)) == count, f"{len(everyone)}/{len(set(everyone))}")
        print(
            f"{method} {':'.join(map(str, weights))}: {' '.join(str(len(c)) for c in came)} of {count}, lost 0, "
            f"doubled 0, {rate:.0f} a second", flush=True)
        for c, share in zip(came, shares):
            # Fewest connections says where sessions are, not messages: where there are fewer sessions than weights, whoever
            # has none is next, whatever its weight. Nobody starves.
            low, high = (share * count / 2, count) if tolerance is None else (
                share * count - tolerance * count - 4, share * count + tolerance * count + 4)
            world.expect(low <= len(c) <= high, f"{len(c)} is not {share:.3f} of {count}")
        relay.check()
        relay.stop()
        sent += count
    return sent


def killed():
    """A backend dies under load, is left out, and comes back when it is back."""
    sinks = [Sink(2501), Sink(2502), Sink(2503)]
    relay = Relay([backend(s.port) for s in sinks], "health: {failures: 3, eject: 1s, longest-eject: 4s}")
    load = Load("killed")
    load.reach(LOAD // 3)
    sinks[1].stop()
    relay.said("backend-ejected group=app backend=127.0.0.1:2502")
    world.expect(relay.backends()[1]["state"] in ("ejected", "trial"), f"{relay.backends()}")
    errors = load.errors.copy()
    load.reach(LOAD // 3)
    # Who had begun when it died has been told by now, and nobody after that but the few that try it.
    late = load.errors - errors
    world.expect(sum(late.values()) <= 16, f"errors while it was left out: {late}")
    sinks[1].again()
    relay.said("backend-back group=app backend=127.0.0.1:2502")
    before = len(sinks[1].recipients)
    load.reach(LOAD // 3)
    world.expect(len(sinks[1].recipients) > before, "it gets nothing though it is back")
    load.stop(sinks)
    ended = world.until(lambda: not any(b["connections"] for b in relay.backends()), "sessions that never end")
    world.expect(ended, "")


def full():
    """max-connections: who finds all full waits, and is served in turn; no backend ever has more than it may.

    What a backend has is asked of the relay, and seen in the kernel's table, where a connection that the relay has closed
    is none. The table is no picture of one moment, but what is in it twice was there in between.
    """
    sinks = [Sink(2501), Sink(2502)]
    relay = Relay([backend(s.port, max_connections=2) for s in sinks], "wait: 30s")
    told, seen, looks, ended = [0], [0], [0, 0], threading.Event()

    def ask():
        while not ended.wait(0.05):
            told[0] = max(told[0], *(b["connections"] for b in relay.backends()))
            looks[0] += 1

    def look():
        before = [set(), set()]
        while not ended.is_set():
            now = [world.established(s.port) for s in sinks]
            seen[0] = max(seen[0], *(len(a & b) for a, b in zip(before, now)))
            before = now
            looks[1] += 1

    watchers = [threading.Thread(target=work, daemon=True) for work in (ask, look)]
    for watcher in watchers:
        watcher.start()
    load = Load("full", clients=24)
    load.reach(LOAD)
    # However fast it is, there is load until enough was seen.
    world.until(lambda: min(looks) >= 10 and told[0] >= 2 and seen[0] >= 2, lambda: f"{told} told, {seen} seen, {looks} looks")
    errors = load.stop(sinks)
    ended.set()
    for watcher in watchers:
        watcher.join(30)
    world.expect(not errors, f"{errors}")
    world.expect(told[0] == 2, f"{told[0]} sessions at a backend that may have 2, the relay says")
    world.expect(seen[0] == 2, f"{seen[0]} connections at a backend that may have 2")
    print(f"the most connections at a backend: {seen[0]}, of 24 clients", flush=True)


def impatient():
    """Where the wait is in vain it is 451 4.3.2; a place that is given back is another one's, in the order of coming."""
    sinks = [Sink(2501)]
    relay = Relay([backend(2501)], "max-connections: 1\nwait: 2s")
    first, second = Client(), Client()
    world.expect(first.envelope("first@sink.test").startswith("250"), "the first was refused")
    started = time.monotonic()
    reply = second.envelope("second@sink.test")
    waited = time.monotonic() - started
    world.expect(reply.startswith("451 4.3.2"), reply)
    world.expect(1.9 <= waited < 20, f"it waited {waited:.1f} s")
    relay.said("group-busy group=app")
    # (A session keeps its connection until it ends or goes elsewhere.)
    order, clients = [], [Client() for _ in range(3)]

    def late(index):
        reply = clients[index].envelope(f"late{index}@sink.test")
        order.append((index, reply[:3]))
        clients[index].close()

    threads = [threading.Thread(target=late, args=(0,))]
    threads[0].start()
    time.sleep(0.3)
    first.close()
    threads[0].join(30)
    world.expect(order == [(0, "250")], f"{order}")
    second.close()


def backup():
    """A backup gets mail only while no other backend is to be had."""
    sinks = [Sink(2501), Sink(2502), Sink(2503)]
    relay = Relay(
        [backend(2503, backup="on", weight=100), backend(2501), backend(2502)],
        "health: {failures: 3, eject: 1s, longest-eject: 2s}")
    Load("before", limit=LOAD // 4).join(sinks)
    world.expect(not sinks[2].recipients, f"the backup got {len(sinks[2].recipients)}")
    sinks[0].stop()
    Load("one", limit=LOAD // 4).join(sinks)
    world.expect(not sinks[2].recipients, f"the backup got {len(sinks[2].recipients)} while there was another one")
    sinks[1].stop()
    Load("none", limit=LOAD // 4).join(sinks)
    came = len([r for r in sinks[2].recipients if r.startswith("none")])
    world.expect(came == LOAD // 4, f"the backup got {came}")
    sinks[0].again()
    load = Load("back")
    relay.said("backend-back group=app backend=127.0.0.1:2501")
    load.stop(sinks)
    before = len(sinks[2].recipients)
    Load("after", limit=LOAD // 4).join(sinks)
    world.expect(len(sinks[2].recipients) - before <= 8, "the backup gets mail though another one is back")


def drained():
    """A backend is drained and used again under load: not one client hears of it."""
    sinks = [Sink(2501), Sink(2502), Sink(2503)]
    relay = Relay([backend(s.port) for s in sinks])
    load = Load("drained", each=5)
    load.reach(LOAD // 4)
    world.expect("drained" in relay.command("drain", "app", "127.0.0.1:2502"), "the command said something else")
    world.until(lambda: relay.backends()[1]["state"] == "drained", lambda: f"{relay.backends()}")
    before = len(sinks[1].recipients)
    load.reach(LOAD // 4)
    world.expect(len(sinks[1].recipients) == before, f"a drained backend got {len(sinks[1].recipients) - before}")
    relay.reload([backend(s.port) for s in sinks])
    load.reach(LOAD // 8)
    world.expect(len(sinks[1].recipients) == before, "a reload ended the draining")
    world.expect("in use" in relay.command("undrain", "app", "127.0.0.1:2502"), "the command said something else")
    load.reach(LOAD // 4)
    world.expect(len(sinks[1].recipients) > before, "it gets nothing, and is not drained any more")
    world.expect(not load.stop(sinks), "errors")
    status, text = world.attempt(world.POSTERN, "backend", "drain", "app", "127.0.0.1:9", "--socket", relay.admin)
    world.expect(status == 65 and "it has 127.0.0.1:2501, 127.0.0.1:2502" in text, f"{status}: {text}")
    status, text = world.attempt(world.POSTERN, "backend", "list", "--socket", "/nonexistent")
    world.expect(status == 69 and "does the relay run" in text, f"{status}: {text}")
    print(relay.command("list"), end="", flush=True)


def reloaded():
    """A backend is added under load, and one is taken out: not one client hears of it."""
    sinks = [Sink(2501), Sink(2502), Sink(2503)]
    relay = Relay([backend(2501), backend(2502)])
    load = Load("reloaded", each=3)
    load.reach(LOAD // 3)
    relay.reload([backend(2501), backend(2502), backend(2503)])
    load.reach(LOAD // 3)
    came = len(sinks[2].recipients)
    world.expect(came > LOAD // 3 * 0.2, f"the new one got {came}")
    relay.reload([backend(2502), backend(2503)])
    # (The sessions that were at the one taken out go elsewhere with their next transaction.)
    load.reach(50)
    before = len(sinks[0].recipients)
    load.reach(LOAD // 3)
    world.expect(len(sinks[0].recipients) == before, "one that was taken out gets mail")
    world.expect(not load.stop(sinks), "errors")


def nobody():
    """All ejected: 451 4.4.1 at once for all but the one that tries; and what is back is back at once."""
    silent = socket.create_server(("127.0.0.1", 2501), backlog=64)
    relay = Relay([backend(2501)], "health: {eject: 30s}", "connect: 3s, greeting: 3s")
    clients = [Client() for _ in range(3)]
    threads = [threading.Thread(target=c.envelope, args=("x@sink.test",)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    relay.said("backend-ejected group=app backend=127.0.0.1:2501 failures=3")
    trial = threading.Thread(target=Client().envelope, args=("trial@sink.test",))
    trial.start()
    world.until(lambda: relay.backends()[0]["state"] == "trial", lambda: f"{relay.backends()}")
    started, replies = time.monotonic(), []
    for _ in range(5):
        client = Client()
        replies.append(client.envelope("y@sink.test"))
        client.close()
    took = time.monotonic() - started
    world.expect(all(r.startswith("451 4.4.1") for r in replies), f"{replies}")
    world.expect(took < 2.5, f"it took {took:.1f} s for five to be told that nobody is there")
    trial.join(60)
    silent.close()
    sink = Sink(2501)
    world.until(lambda: Client().envelope("z@sink.test").startswith("250"), "it is back, and nobody gets there", 10)
    relay.said("backend-back group=app")
    world.expect(relay.backends()[0]["state"] == "up", f"{relay.backends()}")
    print(f"five were told at once, in {took * 1000:.0f} ms", flush=True)
    sink.check()


if __name__ == "__main__":
    world.main({f.__name__: f for f in (balance, killed, full, impatient, backup, drained, reloaded, nobody)})
