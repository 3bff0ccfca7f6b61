"""Sessions that end in every way leave nothing behind in the relay: its memory is the same after thousands of each.

Prints how many kilobytes each kind of ending cost, all sessions together.
"""
import asyncio, concurrent.futures, contextlib, os, socket, ssl, struct, threading

import world

PORT, BACKEND, LOOKUP, NOBODY = 2601, 2602, 2603, 2604
WARM, COUNT = 300, 1000
# What a session may leave behind, in octets, by the kernel's count of resident memory. Those that let go of nothing when they
# end have 550 to 3,700, and under TLS 6,000 more, where the heap never comes quite to rest.
MOST, MOST_UNDER_TLS = 400, 3000


class Backend:
    """An SMTP server that leaves where the recipient's local part says so."""

    async def serve(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        say("220 backend.test ESMTP")
        leaves = b""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    say("250-backend.test\r\n250 PIPELINING")
                elif verb == b"RCPT":
                    leaves = line[line.index(b"<") + 1:line.index(b"@")]
                    if leaves == b"rcpt":
                        break
                    say("250 2.1.5 OK")
                elif verb == b"DATA":
                    if leaves == b"data":
                        break
                    say("354 go on")
                    while (line := await reader.readline()) not in (b".\r\n", b""):
                        pass
                    if leaves == b"dot" or not line:
                        break
                    if leaves == b"slow":
                        await asyncio.sleep(0.01)
                    say("250 2.0.0 stored")
                elif verb == b"QUIT":
                    say("221 2.0.0 bye")
                    break
                else:
                    say("250 2.0.0 OK")
                await writer.drain()
        writer.close()


async def lookup(reader, writer):
    """An auth_http server: it names the backend, a little later; or leaves."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while question := await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.005)
            if b"<leave@" in question:
                break
            writer.write(b"HTTP/1.1 204 No Content\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n"
                         b"Auth-Port: %d\r\n\r\n" % BACKEND)
            await writer.drain()
    writer.close()


def start_servers():
    ready = threading.Event()

    async def run():
        await asyncio.start_server(Backend().serve, "127.0.0.1", BACKEND, backlog=1000)
        await asyncio.start_server(lookup, "127.0.0.1", LOOKUP, backlog=1000)
        ready.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    world.expect(ready.wait(20), "the servers did not start")


TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


class Client:
    """A session; it ends with a reset where it does not say QUIT."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file = self.socket.makefile("rb")

    def reply(self):
        while (line := self.file.readline()) and line[3:4] == b"-":
            pass
        return line[:3].decode()

    def say(self, *lines):
        """Sends lines, one behind the other's reply; the replies' codes."""
        codes = []
        for line in lines:
            self.socket.sendall(line.encode() + b"\r\n")
            codes.append(self.reply())
        return codes

    def encrypt(self):
        self.file.close()
        self.socket = TRUSTING.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def leave(self):
        self.file.close()
        self.socket.close()


def at_connect(client):
    pass


def after_greeting(client):
    client.reply()


def after_hello(client):
    client.reply(), client.say("EHLO client.test")


def envelope(client, recipient):
    client.reply()
    return client.say("EHLO client.test", "MAIL FROM:<a@client.test>", f"RCPT TO:<{recipient}>")


def begin(client, recipient):
    """Up to 354."""
    replies = envelope(client, recipient) + client.say("DATA")
    world.expect(replies == ["250", "250", "250", "354"], f"an envelope for {recipient}: {replies}")


def after_recipient(client):
    world.expect(envelope(client, "user@app.test")[-1] == "250", "RCPT refused")


def in_message(client):
    begin(client, "user@app.test")
    client.socket.sendall(b"Subject: half\r\n\r\n")


def before_reply(client):
    begin(client, "slow@app.test")
    client.socket.sendall(b"Subject: whole\r\n\r\n.\r\n")


def message(client, recipient="user@app.test", secure=False):
    if secure:
        client.reply(), client.say("EHLO client.test")
        world.expect(client.say("STARTTLS") == ["220"], "STARTTLS refused")
        client.encrypt()
        replies = client.say("EHLO client.test", "MAIL FROM:<a@client.test>", f"RCPT TO:<{recipient}>", "DATA")
        world.expect(replies == ["250", "250", "250", "354"], f"under TLS: {replies}")
    else:
        begin(client, recipient)
    client.socket.sendall(b"Subject: whole\r\n\r\n.\r\n")
    world.expect(client.reply() == "250", "the message was refused")
    client.say("QUIT")


def secure_message(client):
    message(client, secure=True)


def in_handshake(client):
    client.reply(), client.say("EHLO client.test", "STARTTLS")
    client.socket.sendall(b"\x16\x03\x01\x02\x00")


def looked_up(client):
    message(client, "user@lookup.test")


def during_lookup(client):
    client.reply(), client.say("EHLO client.test", "MAIL FROM:<a@client.test>")
    client.socket.sendall(b"RCPT TO:<user@lookup.test>\r\n")


def lookup_leaves(client):
    world.expect(envelope(client, "leave@lookup.test")[-1] == "451", "a lookup without an answer")
    client.say("QUIT")


def no_backend(client):
    world.expect(envelope(client, "user@nobody.test")[-1] == "451", "nobody was there")
    client.say("QUIT")


def leaves_at(word):
    def end(client):
        replies = envelope(client, f"{word}@app.test")
        if replies[-1] == "250" and client.say("DATA") == ["354"]:
            client.socket.sendall(b"Subject: whole\r\n\r\n.\r\n")
            world.expect(client.reply()[0] == "4", "the backend left, and the message counts as stored")
        client.say("QUIT")

    return end


ENDINGS = {
    "after a message": message, "after a message under TLS": secure_message, "after a message with a lookup": looked_up,
    "at once": at_connect, "behind the greeting": after_greeting, "behind EHLO": after_hello,
    "in a TLS handshake": in_handshake, "while a lookup goes on": during_lookup, "behind RCPT": after_recipient,
    "in its message": in_message, "before the reply to it": before_reply, "no answer to a lookup": lookup_leaves,
    "nobody to deliver to": no_backend, "the backend leaves at RCPT": leaves_at("rcpt"),
    "the backend leaves at DATA": leaves_at("data"), "the backend leaves at the dot": leaves_at("dot"),
}


def sessions(relay, ending, count):
    def one(_):
        client = Client()
        try:
            ending(client)
        finally:
            client.leave()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in pool.map(one, range(count)):
            pass
    # (The relay has seen the last of them go, whatever it still waited for.)
    world.until(lambda: not world.established(PORT), "the clients' ends are not gone")
    world.until(lambda: relay.sessions() == 0, lambda: f"{relay.sessions()} sessions are left", 60)


class Relay(world.Program):
    def __init__(self):
        home = world.folder("relay")
        os.chown(home, 62525, 62525)
        world.run(
            "openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout",
            f"{home}/key.pem", "-out", f"{home}/certificate.pem", "-subj", "/CN=relay.test", "-days", "2")
        os.chmod(f"{home}/key.pem", 0o644)
        configuration = world.write(
            home + "/relay.yaml", f"""\
server: {{name: relay.test}}
listeners: [{{address: "127.0.0.1:{PORT}", tls: starttls}}]
tls: {{certificates: [{{certificate: {home}/certificate.pem, key: {home}/key.pem}}]}}
lookup: {{url: "http://127.0.0.1:{LOOKUP}/"}}
groups:
  app: {{backends: ["127.0.0.1:{BACKEND}"], health: {{failures: 0}}}}
  nobody: {{backends: ["127.0.0.1:{NOBODY}"]}}
routes:
  - {{recipients: [app.test], group: app}}
  - {{recipients: [nobody.test], group: nobody}}
""")
        super().__init__(
            world.POSTERN, "relay", "--config", configuration, port=PORT, user=62525,
            env=os.environ | {"POSTERN_EVENT_LOOPS": "1"})

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def sessions(self):
        """The connections of clients that it has not closed."""
        mine = {os.path.basename(name) for name in self.descriptors()}
        with open("/proc/net/tcp") as file:
            rows = [line.split() for line in file]
        return sum(1 for row in rows if row[1].endswith(f":{PORT:04X}") and row[3] != "0A" and f"socket:[{row[9]}]" in mine)

    def descriptors(self):
        folder = f"/proc/{self.process.pid}/fd"
        names = []
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                names.append(os.readlink(f"{folder}/{number}"))
        return names


def endings():
    start_servers()
    relay = Relay()
    for ending in ENDINGS.values():
        sessions(relay, ending, WARM)
    # (The heap of those with TLS, who have 17 KB each for as long as the farewell takes, settles later.)
    sessions(relay, secure_message, 2 * COUNT)
    left = {}
    for name, ending in ENDINGS.items():
        before = relay.resident()
        sessions(relay, ending, COUNT)
        left[name] = relay.resident() - before
        print(f"{name:32}{left[name]:8} kB for {COUNT}", flush=True)
    for name, kilobytes in left.items():
        most = MOST_UNDER_TLS if ENDINGS[name] is secure_message else MOST
        world.expect(kilobytes * 1024 <= most * COUNT, f"{COUNT} sessions that ended {name} left {kilobytes} kB behind")


if __name__ == "__main__":
    world.main({"endings": endings})
