"""The client of a conversation: says its lines and writes down every reply, when it came, and how it ended."""
import base64, hashlib, hmac, re, socket, ssl, time

PATIENCE = 15.0
# What comes within this time came at once.
AT_ONCE = 1.5


class Client:
    def __init__(self, port, conversation, tls):
        self.conversation, self.tls = conversation, tls
        # (what it is about, text, seconds or None)
        self.record = []
        self.buffer = b""
        self.is_over = False
        self.salts = []
        source = conversation.client.get("from", "127.0.0.1")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self):
        options = self.conversation.client
        if "proxy" in options:
            self.send(options["proxy"].encode().decode("unicode_escape").encode("latin-1"))
        if "tls" in options:
            self.handshake("connect")
        if "early" not in options:
            self.hear("greeting")
        batch, awaited = b"", []
        for number, (word, text) in enumerate(self.conversation.steps, 1):
            shown = text.decode("latin-1").encode("unicode_escape").decode() if isinstance(text, bytes) else text
            name = f"{number} {shown[:60]}" if shown else f"{number} {word}"
            if word in (">", ">>"):
                batch += text.encode("latin-1", "replace") + b"\r\n"
                awaited.append(name)
                if word == ">>":
                    continue
                self.send(batch)
                for name in awaited:
                    self.hear(name)
                batch, awaited = b"", []
            elif word == ">-":
                self.send(text.encode("latin-1") + b"\r\n")
            elif word == "raw":
                self.send(text)
                self.hear(name)
            elif word == "raw-":
                self.send(text)
            elif word == "reply":
                self.hear(name)
            elif word == "starttls":
                self.send(b"STARTTLS\r\n" + (text or b""))
                if self.hear(name).startswith("220"):
                    self.buffer = b""
                    self.handshake(name)
            elif word == "cram":
                self.answer_challenge(name, *text.split(" "))
            elif word == "wait":
                time.sleep(float(text))
            elif word == "closed":
                self.end(PATIENCE)
            elif word == "shut":
                self.socket.shutdown(socket.SHUT_WR)
            elif word == "drop":
                self.socket.close()
                self.is_over = True
                self.record.append(("end", "left", None))
        if not any(what == "end" for what, _, _ in self.record):
            last = self.conversation.steps[-1][1] if self.conversation.steps else ""
            self.end(PATIENCE if last == "QUIT" else 0.3)
        self.socket.close()
        return self.record

    def send(self, octets):
        self.sent = time.monotonic()
        try:
            self.socket.sendall(octets)
        except OSError:
            pass

    def handshake(self, name):
        options = self.conversation.client
        try:
            context = self.tls.client(options.get("certificate"), options.get("alpn"))
            self.socket = context.wrap_socket(self.socket, server_hostname=options.get("sni") or None)
            self.record.append((f"TLS at {name}", self.socket.version() or "", None))
        except (OSError, ssl.SSLError):
            self.record.append((f"TLS at {name}", "failed", None))
            self.is_over = True

    def line(self):
        while b"\n" not in self.buffer:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def hear(self, name):
        """One reply, its lines joined; how long it took since the last octet was sent."""
        if not hasattr(self, "sent"):
            self.sent = time.monotonic()
        lines = []
        if self.is_over:
            text = "(closed)"
        else:
            try:
                while True:
                    lines.append(self.line())
                    if not re.match(r"\d\d\d-", lines[-1]):
                        break
                text = "|".join(lines)
            except socket.timeout:
                text = "(nothing)"
            except (EOFError, OSError):
                text, self.is_over = "|".join(lines) + "(closed)", True
        self.record.append((f"reply to {name}", self.challenge(text), time.monotonic() - self.sent))
        return text

    def challenge(self, text):
        """A challenge of CRAM-MD5 is another one each time: only its form, and whether it came before."""
        try:
            salt = base64.b64decode(text.removeprefix("334 ")) if text.startswith("334 ") else b""
        except ValueError:
            salt = b""
        if not re.fullmatch(rb"<[^<>@ ]+@[^<>@ ]+>", salt):
            return text
        self.salts.append(salt)
        again = " (the same)" if salt in self.salts[:-1] else ""
        return "334 <salt>@" + salt.decode().rstrip(">").rpartition("@")[2] + again

    def end(self, patience):
        """Whether the connection is closed within the time; what comes before that is written down."""
        if self.is_over:
            return self.record.append(("end", "closed", None))
        begun = time.monotonic()
        self.socket.settimeout(patience)
        try:
            while part := self.socket.recv(65536):
                self.buffer += part
            state = "closed"
        except socket.timeout:
            state = "open"
        except OSError:
            state = "closed"
        if self.buffer:
            self.record.append(("unasked", self.buffer.decode("latin-1").replace("\r\n", "|").rstrip("|"), None))
            self.buffer = b""
        self.record.append(("end", state, time.monotonic() - begun if patience == PATIENCE else None))
        self.is_over = True

    def answer_challenge(self, name, user, password):
        salt = self.salts[-1] if self.salts else b""
        digest = hmac.new(password.encode(), salt, hashlib.md5).hexdigest()
        self.send(base64.b64encode(f"{user} {digest}".encode()) + b"\r\n")
        self.hear(name)
