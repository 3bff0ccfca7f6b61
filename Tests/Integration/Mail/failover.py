"""Load through a relay to three backends that are killed at random: failover.py SEED MESSAGES PORT

A backend is killed at a random step of a random session: every connection to it is reset, and for a moment nobody listens
there. One is killed at a time, and the next only when every message that was under way then has had its answer. A backend
has a message from the moment that its final dot has come, whether it can say so or not.

Prints what came of the messages, and `held` where none is lost, none came twice, and no client was told anything but that
its message is taken, or, behind its dot, that nobody knows.
"""
import asyncio, random, socket, struct, sys, time

PORTS = (2525, 2527, 2529)
STEPS = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "content", "dot", "taken")
SESSIONS = 12


class Killed(Exception):
    pass


class Backend:
    def __init__(self, port, trial):
        self.port, self.trial = port, trial
        self.writers, self.server = set(), None

    async def listen(self):
        while self.server is None:
            try:
                self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)

    async def kill(self):
        """Resets every connection, and comes back a moment later."""
        self.server.close()
        self.server = None
        for writer in self.writers:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        await asyncio.sleep(self.trial.random.uniform(0, 0.05))
        await self.listen()

    def step(self, name):
        if self.trial.is_due(self, name):
            raise Killed

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            await self.talk(reader, writer)
        except Killed:
            self.trial.killed(self)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def talk(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        self.step("connect")
        say("220 backend.test ESMTP")
        recipients = []
        while line := await reader.readline():
            verb = line[:4].upper().decode()
            self.step(verb)
            if verb == "EHLO":
                say("250-backend.test\r\n250-PIPELINING\r\n250 8BITMIME")
            elif verb == "MAIL":
                recipients = []
                say("250 2.1.0 OK")
            elif verb == "RCPT":
                recipients.append(line.decode().strip())
                say("250 2.1.5 OK")
            elif verb == "DATA":
                say("354 go on")
                content = b""
                while (line := await reader.readline()) != b".\r\n":
                    if not line:
                        return
                    content += line
                    if self.trial.random.random() < 0.1:
                        self.step("content")
                self.step("dot")
                self.trial.take(content, recipients)
                self.step("taken")
                say("250 2.0.0 taken")
            elif verb == "QUIT":
                return say("221 2.0.0 Bye")
            else:
                say("250 2.0.0 OK")


class Trial:
    def __init__(self, seed, count, port):
        self.random, self.count, self.port = random.Random(seed), count, port
        self.backends = [Backend(port, self) for port in PORTS]
        self.taken, self.told, self.errors = {}, {}, []
        self.under_way, self.awaited, self.kills, self.next = set(), set(), {}, 0
        self.aim = None
        self.killing = None
        self.reach()

    def reach(self):
        """Chooses where the next one is killed."""
        self.aim = (self.random.choice(self.backends), self.random.choice(STEPS), self.random.randint(1, 3))

    def is_due(self, backend, step):
        self.awaited &= self.under_way
        if self.awaited or self.killing or (backend, step) != self.aim[:2] or self.under_way == set():
            return False
        self.aim = (*self.aim[:2], self.aim[2] - 1)
        return self.aim[2] <= 0

    def killed(self, backend):
        self.kills[self.aim[1]] = self.kills.get(self.aim[1], 0) + 1
        self.awaited = set(self.under_way)
        self.reach()

        async def work():
            await backend.kill()
            self.killing = None

        self.killing = asyncio.create_task(work())

    def take(self, content, recipients):
        marks = [line for line in content.split(b"\r\n") if line.startswith(b"Subject: ")]
        number, length, names = map(int, marks[0].split()[1:])
        body = content.partition(b"\r\n\r\n")[2]
        if len(body) != length or len(recipients) != names:
            self.errors.append(f"message {number}: {len(body)} of {length} octets, {len(recipients)} of {names} names")
        self.taken[number] = self.taken.get(number, 0) + 1

    def chunks(self, content):
        cuts = sorted(self.random.sample(range(1, len(content)), 2))
        parts = [content[: cuts[0]], content[cuts[0] : cuts[1]], content[cuts[1] :]]
        return [(b"BDAT %d%s\r\n" % (len(p), b" LAST" if n == 2 else b""), p) for n, p in enumerate(parts)]

    async def session(self):
        reader = writer = None
        while self.next < self.count:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                await self.reply(reader, "220")
                writer.write(b"EHLO client.test\r\n")
                await self.reply(reader, "250")
            if self.next >= self.count:
                break
            number, self.next = self.next, self.next + 1
            self.under_way.add(number)
            try:
                await self.message(reader, writer, number)
            except Exception as error:
                self.errors.append(f"message {number}: {error!r}")
                writer.close()
                writer = None
            self.under_way.discard(number)
            if writer and self.random.random() < 0.3:
                writer.write(b"QUIT\r\n")
                await self.reply(reader, "221")
                writer.close()
                writer = None

    async def reply(self, reader, *expected):
        while True:
            line = (await asyncio.wait_for(reader.readline(), 60)).decode()
            if line[3:4] != "-":
                break
        if not line.startswith(expected):
            raise ValueError(f"{line!r} instead of {expected}")
        return line

    async def message(self, reader, writer, number):
        names = self.random.choice((1, 1, 1, 3, 20))
        lines = self.random.choice((1, 10, 100, 600))
        body = b"".join(b"%d %s\r\n" % (line, b"x" * 70) for line in range(lines))
        content = b"Subject: %d %d %d\r\n\r\n%s" % (number, len(body), names, body)
        commands = [b"MAIL FROM:<a%d@b.test>\r\n" % number]
        commands += [b"RCPT TO:<r%d@d.test>\r\n" % name for name in range(names)]
        if self.random.random() < 0.5:
            writer.write(b"".join(commands))
            for _ in commands:
                await self.reply(reader, "250")
        else:
            for command in commands:
                writer.write(command)
                await self.reply(reader, "250")
        end = ("250", "451 4.4.2 No answer from backend, message state unknown")
        if self.random.random() < 0.3:
            for part, (command, octets) in enumerate(self.chunks(content)):
                writer.write(command + octets)
                last = await self.reply(reader, *(end if part == 2 else ("250",)))
        else:
            writer.write(b"DATA\r\n")
            await self.reply(reader, "354")
            # In pieces: what kills a backend finds the rest still to come.
            cut = self.random.randint(0, len(content))
            writer.write(content[:cut])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(content[cut:] + b".\r\n")
            last = await self.reply(reader, *end)
        self.told[number] = last[:3]

    async def run(self):
        for backend in self.backends:
            await backend.listen()
        began = time.monotonic()
        await asyncio.gather(*(self.session() for _ in range(SESSIONS)))
        if self.killing:
            await self.killing
        good = [n for n, code in self.told.items() if code == "250"]
        lost = [n for n in good if self.taken.get(n, 0) == 0]
        twice = [n for n, times in self.taken.items() if times > 1]
        kills = ", ".join(f"{step} {self.kills.get(step, 0)}" for step in STEPS)
        print(
            f"{self.count} messages in {time.monotonic() - began:.1f} s, {sum(self.kills.values())} kills ({kills}):"
            f" delivered {len(good)}, ambiguous {len(self.told) - len(good)}, lost {len(lost)},"
            f" duplicated {len(twice)}, errors {len(self.errors)}")
        for text in self.errors[:10]:
            print(text)
        if lost or twice or self.errors or len(self.told) != self.count or not self.kills:
            return 1
        print("held")
        return 0


if __name__ == "__main__":
    seed, count, port = map(int, sys.argv[1:])
    print(f"seed {seed}")
    sys.exit(asyncio.run(Trial(seed, count, port).run()))
