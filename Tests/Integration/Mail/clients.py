"""A client that sends octets as it is told, and the kernel's table of sockets, which tells what was read."""
import re, socket

import world


def sockets(test):
    """The kernel's lines about TCP sockets that pass a test."""
    with open("/proc/net/tcp") as file:
        return [words for line in file if (words := line.split()) and ":" in words[1] and test(words)]


def connected(port):
    """Whether anybody is connected to a port here (ESTABLISHED, or CLOSE_WAIT: its server still has it open)."""
    return sockets(lambda words: words[1].endswith(f":{port:04X}") and words[3] in ("01", "08"))


class Client:
    """A client that sends each part only when the other side has read the one before."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ours, self.theirs, self.buffer = f":{self.socket.getsockname()[1]:04X}", f":{port:04X}", b""
        self.replies = []

    def read(self):
        """Whether the other side has read all that was sent: its receive queue is empty."""
        theirs = sockets(lambda words: words[1].endswith(self.theirs) and words[2].endswith(self.ours))
        return all(words[4].endswith(":00000000") for words in theirs)

    def send(self, *parts):
        for index, part in enumerate(filter(None, parts)):
            if index:
                world.until(self.read, "the part before was read", 20, 0.0005)
            try:
                self.socket.sendall(part)
            except OSError:
                return  # (It has closed; its replies tell why.)

    def reply(self):
        """The last line of the next reply, or None at the end."""
        while True:
            found = re.match(rb"(?:\d{3}-.*\n)*(\d{3}(?: .*)?)\r\n", self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                text = found.group(1).decode(errors="replace")
                self.replies.append(text)
                return text
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                raise world.Failed(f"no reply within 30 s, after {self.replies}") from None
            except OSError:
                more = b""
            if not more:
                return None
            self.buffer += more

    def command(self, text, code):
        self.send(text.encode() + b"\r\n")
        reply = self.reply()
        world.expect(reply and reply.startswith(code), f"{text}: {reply}")

    def begin(self, recipient, *more):
        """Everything up to the 354, or up to other commands in place of DATA."""
        world.expect((self.reply() or "").startswith("220"), "no greeting")
        self.command("EHLO client.test", "250")
        self.command("MAIL FROM:<outer@sender.test>", "250")
        self.command(f"RCPT TO:<{recipient}>", "250")
        for text, code in more or [("DATA", "354")]:
            self.command(text, code)

    def end(self):
        """Says QUIT; all replies until the connection ended."""
        self.send(b"QUIT\r\n")
        while self.reply() is not None:
            pass
        self.socket.close()
        return self.replies


def split(text, places):
    """A text cut at some places; a part may be empty."""
    places = [0, *sorted(places), len(text)]
    return [text[a:b] for a, b in zip(places, places[1:])]
