"""TLS clients and backends for the tests of the relay's TLS.

    tls.py CASE PORT FOLDER

FOLDER has ca.pem, and NAME.pem and NAME.key of mail (mail.flxw.de), other (other.flxw.de, *.wild.flxw.de), client, expired,
constrained (by policies) and rogue. Prints what it saw; a check that fails ends it with a traceback.
"""
import os, shutil, socket, ssl, struct, subprocess, sys, threading, time

HOST = "127.0.0.1"


class Session:
    """An SMTP session, in clear or under TLS."""

    def __init__(self, port, greeting="220"):
        self.socket = socket.create_connection((HOST, port), 30)
        self.file = self.socket.makefile("rb")
        if greeting:
            self.gets(greeting)

    def send(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode())

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return lines or None
            lines.append(line.decode().rstrip("\r\n"))
            if lines[-1][3:4] != "-":
                return lines

    def gets(self, expected):
        lines = self.reply()
        assert lines and lines[-1].startswith(expected), (expected, lines)
        return lines

    def say(self, line, expected):
        self.send(line + "\r\n")
        return self.gets(expected)

    def secure(self, tls=None, name="mail.flxw.de"):
        self.socket = (tls or client()).wrap_socket(self.socket, server_hostname=name, suppress_ragged_eofs=False)
        self.file = self.socket.makefile("rb")
        return self

    def start(self, tls=None, name="mail.flxw.de"):
        self.say("EHLO client.example", "250")
        self.say("STARTTLS", "220")
        return self.secure(tls, name)

    def deliver(self, content="Subject: x\r\n\r\nhello", expected="250"):
        self.say("MAIL FROM:<a@example.org>", "250")
        self.say("RCPT TO:<b@flxw.de>", "250")
        self.say("DATA", "354")
        self.say(content + "\r\n.", expected)

    def is_closed(self):
        return self.file.read(1) == b""


def implicit(port, tls=None, name="mail.flxw.de", greeting="220"):
    session = Session(port, None).secure(tls, name)
    if greeting:
        session.gets(greeting)
    return session


def client(verify=True, certificate=None, low=ssl.TLSVersion.TLSv1_2, high=ssl.TLSVersion.TLSv1_3, alpn=None):
    tls = ssl.create_default_context(cafile=FOLDER + "/ca.pem")
    if not verify:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.minimum_version, tls.maximum_version = low, high
    if certificate:
        tls.load_cert_chain(f"{FOLDER}/{certificate}.pem", f"{FOLDER}/{certificate}.key")
    if alpn:
        tls.set_alpn_protocols(alpn)
    return tls


def refuses(action, *kinds):
    try:
        action()
    except kinds or (ssl.SSLError, ConnectionError, EOFError) as error:
        return error
    raise AssertionError("it was not refused")


# A PROXY header, then TLS from the start.
PROXY1 = b"PROXY TCP4 192.0.2.42 198.51.100.1 50000 465\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY2 = SIGNATURE + b"\x21\x11" + struct.pack(
    ">H4s4sHH", 12, socket.inet_aton("192.0.2.42"), socket.inet_aton("198.51.100.1"), 50001, 465)
LOCAL = SIGNATURE + b"\x20\0\0\0"


def proxied(port):
    for header in (PROXY1, PROXY2, LOCAL):
        # What TLS says first comes in one segment with the header, in one with its end, and in one of its own.
        for cut in (0, len(header) - 1, len(header)):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = client().wrap_bio(incoming, outgoing, server_hostname="mail.flxw.de")
            session = Session(port, None)
            session.send(header[:cut])
            time.sleep(0.05 if cut else 0)  # (so that the parts travel apart)

            def does(action):
                while True:
                    try:
                        value = action()
                        session.socket.sendall(outgoing.read())
                        return value
                    except ssl.SSLWantReadError:
                        session.socket.sendall(outgoing.read())
                        octets = session.socket.recv(65536)
                        assert octets, "closed"
                        incoming.write(octets)

            # (The library writes its first words, and then wants to read.)
            refuses(tls.do_handshake, ssl.SSLWantReadError)
            session.send(header[cut:] + outgoing.read())
            does(tls.do_handshake)

            def says(line, expected):
                tls.write(line.encode())
                said = does(lambda: tls.read(4096)).decode()
                while said.count("\n") == 0 or said.rstrip("\r\n").split("\n")[-1][3:4] == "-":
                    said += does(lambda: tls.read(4096)).decode()
                assert said.startswith(expected), (expected, said)

            greeting = does(lambda: tls.read(4096)).decode()
            assert greeting.startswith("220 "), greeting
            says("EHLO client.example\r\n", "250")
            says("MAIL FROM:<a@example.org>\r\n", "250")
            says("RCPT TO:<b@flxw.de>\r\n", "250")
            says("DATA\r\n", "354")
            says("Subject: x\r\n\r\nhello\r\n.\r\n", "250")
            says("QUIT\r\n", "221")
    # TLS without a header is no header.
    refuses(lambda: implicit(port), OSError)
    print("proxied")


def stranger(port):
    """A header from who is not to be believed: not a word, neither in clear nor under TLS."""
    session = Session(port, None)
    try:
        session.send(PROXY1)
        assert session.is_closed()
    except ConnectionError:
        pass
    print("dropped")


# What a session forgets, and keeps.
def forgets(port):
    session = Session(port)
    assert "250-STARTTLS" in session.say("EHLO client.example", "250")
    session.say("STARTTLS now", "501")
    session.say("MAIL FROM:<a@example.org>", "250")
    session.say("STARTTLS", "503")
    session.say("RSET", "250")
    session.say("STARTTLS", "220")
    session.secure()
    session.say("MAIL FROM:<a@example.org>", "503")
    lines = session.say("EHLO client.example", "250")
    assert not [line for line in lines if "STARTTLS" in line], lines
    session.say("STARTTLS", "503")
    session.deliver()
    session.say("QUIT", "221")
    assert session.is_closed()
    print("forgotten")


# Octets in clear behind STARTTLS, in the same segment.
def injects_tolerated(port):
    session = Session(port)
    session.say("EHLO client.example", "250")
    session.send("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<b@flxw.de>\r\n")
    session.gets("220")
    session.secure()
    session.say("RCPT TO:<b@flxw.de>", "503")  # (an answer to what was injected would come first, and be another)
    session.say("EHLO client.example", "250")
    session.say("RCPT TO:<b@flxw.de>", "503")
    session.say("QUIT", "221")
    print("thrown away")


def injects_strictly(port):
    session = Session(port)
    session.say("EHLO client.example", "250")
    session.send("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
    session.gets("554 5.5.0")
    assert session.is_closed()
    print("refused")


# Handshakes that come to nothing.
def fails(port):
    hello = bytes.fromhex("16030102000100")
    cases = {
        "a command in clear": b"EHLO again\r\n",
        "nothing": b"",
        "half a record": hello,
        "a record of the wrong type": bytes([23, 3, 3, 0, 2, 0, 0]),
        "a ClientHello of rubbish": bytes([22, 3, 1, 0, 8, 1, 0, 0, 4, 1, 2, 3, 4]),
        "a ClientHello without an end": bytes([22, 3, 1, 0, 8, 1, 255, 255, 255, 1, 2, 3, 4]),
    }
    for word, octets in cases.items():
        session = Session(port)
        session.say("EHLO client.example", "250")
        session.say("STARTTLS", "220")
        session.send(octets)
        session.socket.shutdown(socket.SHUT_WR)
        try:
            said = session.file.read()
        except ConnectionError:
            said = b""
        # An alert may come; a reply in clear may not.
        assert not said or said[0] == 21, (word, said)
    old = client(verify=False, low=ssl.TLSVersion.TLSv1, high=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    refuses(lambda: Session(port).start(old))
    none = client(verify=False, high=ssl.TLSVersion.TLSv1_2)
    none.set_ciphers("DHE-RSA-AES128-GCM-SHA256")
    refuses(lambda: Session(port).start(none))
    Session(port).start(client(verify=False)).say("EHLO client.example", "250")
    print("closed without a word")


def unavailable(port):
    """A reload takes STARTTLS away while the session is open; the test does it at the word, and says so by a line."""
    session = Session(port)
    assert "250-STARTTLS" in session.say("EHLO client.example", "250")
    print("ready", flush=True)
    sys.stdin.readline()
    session.say("STARTTLS", "454 4.7.0")
    session.deliver()
    print("went on")


# Versions, resumption, renegotiation, ends.
def versions(port):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tls = client(low=version, high=version)
        first = Session(port).start(tls)
        first.say("EHLO client.example", "250")  # (in TLS 1.3 the tickets come behind the handshake)
        ticket = first.socket.session
        assert not first.socket.session_reused and not first.socket.compression()
        first.say("QUIT", "221")
        # close_notify comes before the end of the connection: without it this raises.
        assert first.file.read() == b""
        second = Session(port)
        second.say("EHLO client.example", "250")
        second.say("STARTTLS", "220")
        second.socket = tls.wrap_socket(
            second.socket, server_hostname="mail.flxw.de", session=ticket, suppress_ragged_eofs=False)
        second.file = second.socket.makefile("rb")
        second.say("EHLO client.example", "250")
        assert second.socket.session_reused
        print(second.socket.version(), "resumed")
    # `R` asks for a renegotiation (TLS 1.2 alone has it).
    peer = subprocess.Popen(
        ["openssl", "s_client", "-tls1_2", "-starttls", "smtp", "-connect", f"{HOST}:{port}", "-crlf"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    for line in peer.stdout:
        lines.append(line)
        if b"LIMITS" in line or b"Extended master secret" in line:
            break
    peer.stdin.write(b"R\n")
    peer.stdin.flush()
    said = b"".join(lines) + peer.communicate(timeout=60)[0]
    assert b"RENEGOTIATING" in said and (b"no renegotiation" in said or b"alert" in said or b"error" in said), said
    print("renegotiation refused")


def truncates(port):
    """Ends in a message: once without a word, once without close_notify, once with it. Nothing may be delivered."""
    for end in ("reset", "fin", "close_notify"):
        session = implicit(port)
        session.say("EHLO client.example", "250")
        session.say("MAIL FROM:<a@example.org>", "250")
        session.say("RCPT TO:<b@flxw.de>", "250")
        session.say("DATA", "354")
        session.send("Subject: cut\r\n\r\nhalf a message\r\n")
        if end == "reset":
            raw = socket.socket(fileno=session.socket.detach())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.close()
        elif end == "fin":
            raw = socket.socket(fileno=session.socket.detach())
            raw.shutdown(socket.SHUT_WR)
            raw.settimeout(30)
            try:
                while raw.recv(4096):
                    pass
            except ConnectionError:
                pass
            raw.close()
        else:
            try:
                session.socket.unwrap()
            except (ssl.SSLError, OSError):
                pass
            session.socket.close()
        print("cut by", end)


def half_closes(port):
    """Says close_notify behind its message, and reads on: the reply must come."""
    raw = socket.create_connection((HOST, port), 30)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client().wrap_bio(incoming, outgoing, server_hostname="mail.flxw.de")

    def run(action):
        while True:
            try:
                result = action()
                raw.sendall(outgoing.read())
                return result
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                octets = raw.recv(65536)
                incoming.write(octets) if octets else incoming.write_eof()

    def say(line, expected):
        if line:
            run(lambda: tls.write(line.encode() + b"\r\n"))
        lines = b""
        while not lines.endswith(b"\n") or lines.splitlines()[-1][3:4] == b"-":
            octets = run(lambda: tls.read(4096))
            assert octets, f"the relay closed behind {line!r}: {lines!r}"
            lines += octets
        assert lines.splitlines()[-1].startswith(expected.encode()), lines

    run(tls.do_handshake)
    for line, expected in (("", "220"), ("EHLO client.example", "250"), ("MAIL FROM:<a@example.org>", "250"),
                           ("RCPT TO:<b@flxw.de>", "250"), ("DATA", "354")):
        say(line, expected)
    tls.write(b"Subject: last\r\n\r\nwords\r\n.\r\n")
    try:
        tls.unwrap()
    except ssl.SSLWantReadError:
        pass  # (close_notify is on its way, and the relay's has not come)
    raw.sendall(outgoing.read())
    say("", "250")
    print("replied to behind close_notify")


def chooses(port):
    def common(name, **more):
        tls = client(verify=False, **more)
        with socket.create_connection((HOST, port), 30) as plain, tls.wrap_socket(plain, server_hostname=name) as s:
            certificate = ssl.DER_cert_to_PEM_cert(s.getpeercert(True))
            return subprocess.run(
                ["openssl", "x509", "-noout", "-subject"], input=certificate, capture_output=True, text=True
            ).stdout.split("=")[-1].strip(), s.selected_alpn_protocol()
    for name, expected in (
        ("mail.flxw.de", "mail.flxw.de"), ("other.flxw.de", "other.flxw.de"), ("OTHER.flxw.de", "other.flxw.de"),
        ("a.wild.flxw.de", "other.flxw.de"), ("a.b.wild.flxw.de", "mail.flxw.de"), ("wild.flxw.de", "mail.flxw.de"),
        ("unknown.example", "mail.flxw.de"), (None, "mail.flxw.de"), ("127.0.0.1", "mail.flxw.de"),
    ):
        assert common(name)[0] == expected, (name, common(name))
    assert common("mail.flxw.de", alpn=["smtp"])[1] == "smtp"
    assert common("mail.flxw.de", alpn=["h2", "smtp"])[1] == "smtp"
    for offered in (["h2"], ["http/1.1", "imap"], ["smtps"]):
        error = refuses(lambda: common("mail.flxw.de", alpn=offered), ssl.SSLError)
        assert "NO_APPLICATION_PROTOCOL" in str(error).upper().replace(" ", "_"), error
    print("chosen by name; foreign protocols refused")


def routes_by_name(port):
    def answer(name):
        session = implicit(port, client(verify=False), name)
        session.say("EHLO client.example", "250")
        session.say("MAIL FROM:<a@example.org>", "250")
        session.send("RCPT TO:<b@flxw.de>\r\n")
        answer = session.reply()[-1]
        session.say("QUIT", "221")
        return answer
    for name, expected in (
        ("shop.flxw.de", "550 5.7.1 shop"), ("SHOP.flxw.de", "550 5.7.1 shop"), ("a.apps.flxw.de", "550 5.7.1 apps"),
        ("a.b.apps.flxw.de", "550 5.7.1 apps"), ("apps.flxw.de", "550 5.7.1 others"), ("x_.flxw.de", "550 5.7.1 others"),
        (None, "550 5.7.1 others"), ("127.0.0.1", "550 5.7.1 others"),
    ):
        assert answer(name) == expected, (name, answer(name))
    session = Session(port + 1).start(client(verify=False), "shop.flxw.de")
    session.say("EHLO client.example", "250")
    session.say("MAIL FROM:<a@example.org>", "250")
    session.say("RCPT TO:<b@flxw.de>", "550 5.7.1 shop")
    session = Session(port + 1)
    session.say("EHLO client.example", "250")
    session.say("MAIL FROM:<a@example.org>", "250")
    session.say("RCPT TO:<b@flxw.de>", "550 5.7.1 others")
    print("routed by name")


def required(port):
    session = Session(port)
    for line in ("HELO x", "MAIL FROM:<a@example.org>", "RCPT TO:<b@flxw.de>", "DATA", "RSET", "VRFY x", "HELP",
                 "AUTH PLAIN", "EXPN x"):
        session.say(line, "530 5.7.0 Must issue a STARTTLS command first")
    session.send("BDAT 6 LAST\r\nQUIT\r\n")
    session.gets("530 5.7.0")
    session.say("NOOP", "250")
    lines = session.say("EHLO client.example", "250")
    assert "250-STARTTLS" in lines and not [line for line in lines if "AUTH" in line], lines
    session.say("MAIL FROM:<a@example.org>", "530 5.7.0")
    session.say("STARTTLS", "220")
    session.secure()
    session.say("EHLO client.example", "250")
    session.deliver()
    session.say("QUIT", "221")
    session = Session(port)
    session.say("QUIT", "221")
    print("nothing but NOOP, EHLO, STARTTLS and QUIT")


def certificates(port):
    """PORT asks for none, PORT+1 on, +2 optional, +3 optional-no-ca; all implicit."""
    table = [
        (None, "220", "421 4.7.1 No required SSL certificate", "220", "220"),
        ("client", "220", "220", "220", "220"),
        ("rogue", "220", "421 4.7.1 SSL certificate error", "421 4.7.1 SSL certificate error", "220"),
        ("expired", "220", "421 4.7.1 SSL certificate error", "421 4.7.1 SSL certificate error", "220"),
    ]
    for certificate, *greetings in table:
        for offset, greeting in enumerate(greetings):
            for high in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                session = implicit(port + offset, client(certificate=certificate, high=high), greeting=greeting)
                if greeting == "220":
                    session.say("EHLO client.example", "250")
                    session.deliver()
                    session.say("QUIT", "221")
                assert session.is_closed()
    print("certificates")


def constrained(port):
    """PORT asks for certificates. One with policy constraints ends its handshake, and not the relay."""
    for high in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        refuses(lambda: implicit(port, client(certificate="constrained", high=high)))
    implicit(port, client(certificate="client")).say("QUIT", "221")
    print("refused")


def replaces(port):
    """Replaces the certificate under load: no session may be dropped, and the new one is there within a second."""
    stop, lock = threading.Event(), threading.Lock()
    counts = {"sessions": 0, "messages": 0, "dropped": 0}
    errors = []
    seen = {}  # serial -> when it was first shown
    tls = client()

    # PORT has STARTTLS, PORT+1 is implicit. The sessions that stay outlive every replacement.
    base, threads = port, []

    def start(keeps, at):
        threads.append(threading.Thread(target=worker, args=(keeps, at), daemon=True))
        threads[-1].start()

    def worker(keeps, at):
        while not stop.is_set():
            try:
                session = implicit(at, tls) if at == base + 1 else Session(at).start(tls)
                serial = session.socket.getpeercert()["serialNumber"]
                with lock:
                    seen.setdefault(serial, time.monotonic())
                session.say("EHLO client.example", "250")
                while True:
                    session.deliver()
                    with lock:
                        counts["messages"] += 1
                    if not keeps or stop.is_set():
                        break
                    time.sleep(0.05)
                session.say("QUIT", "221")
                assert session.is_closed()
                with lock:
                    counts["sessions"] += 1
            except Exception as error:
                with lock:
                    counts["dropped"] += 1
                    errors.append(repr(error))

    for _ in range(3):
        start(False, base)
        start(False, base + 1)
        start(True, base)
        start(True, base + 1)
    delays = []
    for index in (1, 2, 3):
        time.sleep(1.5)
        before = set(seen)
        for kind in ("key", "pem"):  # in place: between the two they do not match
            shutil.copy(f"{FOLDER}/new{index}.{kind}", f"{FOLDER}/live.{kind}.tmp")
            os.chmod(f"{FOLDER}/live.{kind}.tmp", 0o644)
            os.rename(f"{FOLDER}/live.{kind}.tmp", f"{FOLDER}/live.{kind}")
        replaced = time.monotonic()
        while not set(seen) - before and time.monotonic() < replaced + 10:
            time.sleep(0.01)
        new = set(seen) - before
        assert new, "the new certificate is not shown"
        delays.append(min(seen[serial] for serial in new) - replaced)
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join(30)
    print(f"sessions {counts['sessions']} messages {counts['messages']} dropped {counts['dropped']} "
          f"delays {' '.join(f'{delay:.2f}' for delay in delays)} s")
    assert counts["dropped"] == 0, errors[:3]
    assert max(delays) < 1, delays


def sends(port):
    """Sends one message to each recipient named behind FOLDER, and prints the last reply of each."""
    for recipient in sys.argv[4:]:
        session = Session(port)
        session.say("EHLO client.example", "250")
        session.say("MAIL FROM:<a@example.org>", "250")
        session.send(f"RCPT TO:<{recipient}>\r\n")
        reply = session.reply()
        if reply[-1].startswith("250"):
            session.say("DATA", "354")
            session.send("Subject: x\r\n\r\nhello\r\n.\r\n")
            reply = session.reply()
        print(recipient, reply[-1])
        session.say("QUIT", "221")


def backend(port):
    """A backend with TLS: FOLDER/mode says what it does; it prints each message's way."""
    mode = open(FOLDER + "/mode").read().split()
    kind, certificate = mode[0], mode[1]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{FOLDER}/{certificate}.pem", f"{FOLDER}/{certificate}.key")
    tls.load_verify_locations(FOLDER + "/ca.pem")
    tls.verify_mode = ssl.CERT_OPTIONAL
    names = []
    tls.sni_callback = lambda s, name, c: names.append(name)

    def serve(s):
        try:
            secure = False
            if kind == "implicit":
                s, secure = tls.wrap_socket(s, server_side=True), True
            file = s.makefile("rb")
            s.sendall(b"220 backend.example ESMTP\r\n")
            commands = []
            while line := file.readline():
                verb = line.split()[0].upper().decode() if line.split() else ""
                commands.append(verb + ("+" if secure else ""))
                if verb == "EHLO":
                    offer = b"250-STARTTLS\r\n" if kind != "bare" and not secure and kind != "implicit" else b""
                    s.sendall(b"250-backend.example\r\n" + offer + b"250 PIPELINING\r\n")
                elif verb == "STARTTLS":
                    if kind == "refusing":
                        s.sendall(b"454 4.7.0 no\r\n")
                        continue
                    s.sendall(b"220 go\r\n" + (b"250-injected\r\n250 STARTTLS\r\n" if kind == "injecting" else b""))
                    s, secure = tls.wrap_socket(s, server_side=True), True
                    file = s.makefile("rb")
                elif verb == "DATA":
                    s.sendall(b"354 go\r\n")
                    while file.readline() not in (b".\r\n", b""):
                        pass
                    peer = s.getpeercert() if secure else None
                    subject = dict(x[0] for x in peer["subject"])["commonName"] if peer else "-"
                    print("message", " ".join(commands), "sni", names[-1] if names else "-", "peer", subject, flush=True)
                    s.sendall(b"250 2.0.0 taken\r\n")
                elif verb == "QUIT":
                    s.sendall(b"221 bye\r\n")
                    return
                elif verb in ("MAIL", "RCPT", "RSET", "NOOP"):
                    s.sendall(b"250 2.1.0 OK\r\n")
                else:
                    s.sendall(b"500 5.5.1 unknown\r\n")
        except OSError as error:
            print("broke", type(error).__name__, flush=True)
        finally:
            s.close()

    listener = socket.create_server((HOST, port))
    print("listening", flush=True)
    while True:
        s, _ = listener.accept()
        threading.Thread(target=serve, args=(s,), daemon=True).start()


CASE, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
globals()[CASE](PORT)
