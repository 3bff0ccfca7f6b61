"""Messages that are sent, and what of them arrived."""
import hashlib, os, re, threading, time

import world

SENDER = "sender@sender.test"
# What a receiver, or the relay, puts before a message.
TRACE = re.compile(
    rb"(?:received|return-path|delivered-to|x-original-to|envelope-to|delivery-date|x-peer"
    rb"|x-(?:client-addr|client-proto|helo-args|mail-args|rcpt-args)):", re.IGNORECASE)
TOKEN = re.compile(r"c(\d+)x")


def without_trace(content):
    """The content behind the trace fields at its top."""
    position = 0
    while TRACE.match(content, position):
        end = content.find(b"\n", position) + 1
        while content[end:end + 1] in (b" ", b"\t"):
            end = content.find(b"\n", end) + 1
        position = end
    return content[position:]


def digest(content):
    return hashlib.sha256(content).hexdigest()


class Case:
    """A message of the matrix: with "\\n" for line ends, and as it has to arrive."""

    def __init__(self, name, body, recipients=1, headers=True, final=True, utf8=False):
        self.name, self.count, self.utf8 = name, recipients, utf8
        self.body, self.headers, self.final = body, headers, final

    def sender(self):
        return "sündér@sender.test" if self.utf8 else SENDER

    def text(self, token):
        """The message as a file of a Unix machine, without the last newline where that is the case."""
        subject = "Grüße, 你好" if self.utf8 else self.name
        head = f"""\
X-Case: {token}
From: {self.sender()}
To: somebody@example.test
Date: Mon, 23 Nov 2026 02:13:46 +0000
Message-ID: <{token}@sender.test>
Subject: {subject}
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

"""
        text = head.encode() + self.body
        return text if self.final else text.rstrip(b"\n")

    def crlf(self, token):
        """The same with CRLF."""
        return self.text(token).replace(b"\n", b"\r\n")

    def wire(self, token):
        """The same as it has to arrive: SMTP knows no line without an end."""
        text = self.crlf(token)
        return text if text.endswith(b"\r\n") else text + b"\r\n"


def large(octets):
    """Lines of 76 octets, no two alike."""
    block, lines = b"", []
    for number in range(octets // 77):
        block = hashlib.sha256(number.to_bytes(8, "big")).hexdigest().encode() if number % 64 == 0 else block
        lines.append(b"%011d " % number + block)
    return b"\n".join(lines) + b"\n"


EVERY_HIGH_OCTET = b"".join(bytes(range(first, first + 32)) + b"\n" for first in range(0x80, 0x100, 32))
CASES = [
    Case("8bit", "Grüße aus Köln\n".encode() + EVERY_HIGH_OCTET),
    Case("dots", b".\n..\n.x\n. .\n...\nx.\n\n.\n\n.\n"),
    Case("empty-body", b""),
    Case("no-newline", b"the last line has no end", final=False),
    Case("998", b"\n".join(bytes([c]) * 998 for c in b"a.b") + b"\n"),
    Case("8000", b"\n".join(bytes([c]) * 8000 for c in b"a.b") + b"\n"),
    Case("100-recipients", b"for many\n", recipients=100),
    Case("smtputf8", "Übergrößenträger\n".encode(), utf8=True),
    Case("large", large(5_000_000 if world.QUICK else 20_000_000)),
]


class Arrival:
    def __init__(self, sender, recipients, content):
        self.sender, self.recipients = sender, recipients
        self.size, self.hash = len(content), digest(content)
        self.content = content if len(content) < 200_000 else content[:1000]


class Store:
    """What has arrived at one backend: looked for in its folder, by the token in the recipients."""

    def __init__(self, name):
        self.folder = world.folder("store-" + name.replace(" ", "-"), owner="store", mode=0o777)
        os.chmod(self.folder, 0o777)
        self.arrivals, self.condition, self.error = {}, threading.Condition(), None
        self.rounds = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def add(self, sender, recipients, content):
        """Takes what a backend received, with CRLF."""
        found = [TOKEN.search(recipient) for recipient in recipients]
        token = found[0].group(0) if found and found[0] else None
        arrival = Arrival(sender, recipients, without_trace(content))
        with self.condition:
            self.arrivals.setdefault(token, []).append(arrival)
            self.condition.notify_all()

    def watch(self):
        try:
            while True:
                for name in os.listdir(self.folder):
                    taken = self.take(self.folder + "/" + name)
                    if taken:
                        self.add(*taken)
                self.rounds += 1
                time.sleep(0.02)
        except Exception as error:
            self.error = error

    def take(self, path):
        """The message in a file that deliver wrote, if it has."""
        if not path.endswith(".envelope"):
            return None
        with open(path, "rb") as file:
            sender, *recipients = [value.decode(errors="surrogateescape") for value in file.read().split(b"\0")[:-1]]
        content = path.removesuffix("envelope") + "content"
        with open(content, "rb") as file:
            # (A CR that the program kept becomes CR CR LF, and shows.)
            data = file.read().replace(b"\n", b"\r\n")
        os.unlink(path)
        os.unlink(content)
        return sender, recipients, data

    def settle(self):
        """Returns when all that is in the folder now has been taken."""
        world.until(lambda: self.error or not os.listdir(self.folder), f"{self.folder} is empty")
        # (A round that had begun before may still hold what it took.)
        begun = self.rounds
        world.until(lambda: self.error or self.rounds > begun + 1, f"{self.folder} was read")
        world.expect(not self.error, f"{self.folder}: {self.error!r}")

    def wait(self, token, test, seconds):
        """The arrivals with that token as soon as they pass the test, or at the end of the time."""
        with self.condition:
            self.condition.wait_for(lambda: self.error or test(self.arrivals.get(token, [])), seconds)
            world.expect(not self.error, f"{self.folder}: {self.error!r}")
            return list(self.arrivals.get(token, []))
