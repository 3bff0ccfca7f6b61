"""The auth server, the backend and the name server of one side: they follow a script and write down all they get."""
import re, socket, struct, threading, time

from conversation import literal

PATIENCE = 20.0


class Peer:
    """A server on a port of 127.0.0.1, a thread for each connection."""

    def __init__(self):
        # (All of 127/8, so that there are several backends where that matters.)
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Condition()
        self.open = 0
        self.script, self.record, self.values = None, [], {}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open += 1
                place = self.began()
            threading.Thread(target=self.run, args=(connection, place), daemon=True).start()

    def began(self):
        return None

    def run(self, connection, place):
        try:
            self.serve(connection, place)
        except (OSError, EOFError):
            pass
        finally:
            connection.close()
            with self.lock:
                self.open -= 1
                self.lock.notify_all()

    def follow(self, script, values):
        """Begins a new conversation: what is recorded from now on is its own."""
        with self.lock:
            self.script, self.record, self.values, self.turns = script, [], values, {}

    def turn(self, key, replies):
        with self.lock:
            count = self.turns.get(key, 0)
            self.turns[key] = count + 1
        return replies[min(count, len(replies) - 1)]

    def filled(self, text):
        for name, value in self.values.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def settle(self, seconds):
        """Waits until nobody is connected any more."""
        with self.lock:
            return self.lock.wait_for(lambda: self.open == 0, seconds)


class Gone(Exception):
    pass


def slowly(text):
    """Waits where the script says so; what is left of it."""
    if match := re.match(r"slow ([\d.]+)(?: \|)? (.*)", text, re.S):
        time.sleep(float(match[1]))
        return match[2]
    return text


def hold(connection):
    """Says nothing until the other side has gone."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and connection.recv(65536):
        pass


class AuthServer(Peer):
    """Answers lookups; keeps the connection for who speaks HTTP/1.1."""

    def serve(self, connection, _):
        file = connection.makefile("rb")
        while True:
            lines = []
            while (line := file.readline(65536)) not in (b"\r\n", b"\n"):
                if not line:
                    return
                lines.append(line.rstrip(b"\r\n"))
            with self.lock:
                self.record.append(lines)
            text = slowly(self.filled(self.turn("lookup", self.script or ["OK"])))
            if text == "close":
                return
            if text == "silent":
                return hold(connection)
            if text.startswith("raw "):
                connection.sendall(literal(text[4:]))
                return
            keeps = lines[0].endswith(b"HTTP/1.1")
            parts = text.split(" | ")
            status = parts.pop(0) if parts[0].startswith("HTTP/") else "HTTP/1.1 200 OK"
            ok = f"Auth-Status: OK | Auth-Server: 127.0.0.1 | Auth-Port: {self.values['backend']}"
            headers = [header for part in parts for header in (ok if part == "OK" else part).split(" | ")]
            headers += ["Content-Length: 0"] + ([] if keeps else ["Connection: close"])
            connection.sendall("".join(f"{line}\r\n" for line in [status] + headers + [""]).encode("latin-1"))
            if not keeps:
                return


class Backend(Peer):
    """An SMTP server. A line that came behind another one, before that was answered, is marked with a `+`."""

    def began(self):
        lines = []
        self.record.append(lines)
        return lines

    def serve(self, connection, lines):
        buffer, skips = b"", False
        if not self.say(connection, "greeting"):
            return
        content = False
        while True:
            early, skips = b"\n" in buffer and not skips, False
            while b"\n" not in buffer:
                part = connection.recv(65536)
                if not part:
                    # What is left is half a line.
                    lines.extend([buffer] if buffer else [])
                    return
                buffer += part
            line, _, buffer = buffer.partition(b"\n")
            line = line[:-1] if line.endswith(b"\r") else line + b"\\n"
            lines.append((b"+ " if early and not content else b"") + line)
            if content:
                if line != b".":
                    continue
                content, verb = False, "."
            else:
                verb = line.split(b" ")[0].upper().decode("latin-1")
            if verb == "PROXY":
                # (What comes behind it may have come with it.)
                skips = True
                continue
            if not self.say(connection, verb):
                return
            content = verb == "DATA" and self.last.startswith("3")
            if verb == "QUIT":
                return

    def say(self, connection, verb):
        """Sends the reply; false where the script ends here."""
        key = verb if verb in self.script else "other"
        text = slowly(self.filled(self.turn(key, self.script[key])))
        self.last = text
        if text == "close":
            return False
        if text == "silent":
            hold(connection)
            return False
        closes = text.startswith("closing ")
        text = text.removeprefix("closing ")
        octets = literal(text[4:]) if text.startswith("raw ") else text.replace("|", "\r\n").encode("latin-1") + b"\r\n"
        connection.sendall(octets)
        return not closes


class NameServer:
    """A name server that knows what it is told: {(name, type): [data] or an rcode}; NXDOMAIN for all else."""

    PTR, A, AAAA = 12, 1, 28

    def __init__(self, names):
        self.names = names
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        # One that never answers.
        self.mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.mute.bind(("127.0.0.1", 0))
        threading.Thread(target=self.run, daemon=True).start()

    @staticmethod
    def encoded(name):
        return b"".join(bytes([len(label)]) + label for label in name.encode("latin-1").split(b".")) + b"\0"

    def run(self):
        while True:
            query, client = self.socket.recvfrom(512)
            labels, place = [], 12
            while query[place]:
                labels.append(query[place + 1:place + 1 + query[place]])
                place += 1 + query[place]
            kind = struct.unpack(">H", query[place + 1:place + 3])[0]
            question = query[12:place + 5]
            name = b".".join(labels).decode("latin-1").lower()
            answer = self.names.get((name, kind))
            if answer is None:
                answer = [] if any(known == name for known, _ in self.names) else 3
            code, data = (answer, []) if isinstance(answer, int) else (0, answer)
            records = b""
            for value in data:
                octets = self.encoded(value) if kind == self.PTR else socket.inet_aton(value)
                records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(octets)) + octets
            header = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(data), 0, 0)
            self.socket.sendto(header + question + records, client)
