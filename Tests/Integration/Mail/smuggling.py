"""A message within a message: what a lenient backend takes for an end of data, sent through the relay as content.

Every pair of line ends around a dot is tried, and a dot right behind the 354. Each backend is tried without the relay
first, to see what it takes; the one of our own takes everything, so it proves that each sequence would smuggle.
"""
import http.server, itertools, re, threading, time

import world
from backends import Aiosmtpd, Exim, OpenSMTPD, Postfix, UnpatchedAiosmtpd
from clients import Client, connected, split
from lenient import Lenient, unstuffed

ENDS = {
    "CR": b"\r", "LF": b"\n", "CRLF": b"\r\n", "CRCRLF": b"\r\r\n", "LFCR": b"\n\r", "NUL": b"\0", "CRLF-NUL": b"\r\n\0",
    "NUL-CRLF": b"\0\r\n",
}
SEQUENCES = {f"{a}.{b}": ENDS[a] + b"." + ENDS[b] for a in ENDS for b in ENDS}
# Right behind the 354 a dot is at the start of a line by itself.
AT_START = {f".{b}": b"." + ENDS[b] for b in ENDS}


def is_end(sequence, at_start):
    """Whether this is the end of data (RFC 5321 section 4.1.1.4): CR LF . CR LF."""
    return b"\r\n.\r\n" in sequence or (at_start and sequence.startswith(b".\r\n"))


TRIED = [(name, sequence, False) for name, sequence in SEQUENCES.items() if not is_end(sequence, False)]
TRIED += [(name, sequence, True) for name, sequence in AT_START.items() if not is_end(sequence, True)]


class Real:
    """A mail program as the backend; it is done when nobody is connected and its queue is empty."""

    def __init__(self, kind, port):
        self.backend = kind(port)
        self.name, self.port, self.refusal = self.backend.name, port, self.backend.refusal

    def settle(self):
        world.until(lambda: not connected(self.port), f"{self.name}'s connections are over")
        world.until(self.backend.is_done, f"{self.name}'s queue is empty")
        self.backend.store.settle()

    def count(self, token):
        return len(self.backend.store.wait(token, bool, 0))

    def content(self, token):
        """What arrived, where the program keeps line ends as they are."""
        return self.backend.store.wait(token, bool, 0)[0].content if isinstance(self.backend, Aiosmtpd) else None


def content(token, sequence, at_start):
    """A message with another one in it behind the sequence: what is before, what is behind."""
    outer = b"" if at_start else f"X-Case: {token}\r\nSubject: outer\r\n\r\nouter".encode()
    inner = (
        f"MAIL FROM:<inner@sender.test>\r\nRCPT TO:<{token}-inner@backend.test>\r\nDATA\r\n"
        f"X-Case: {token}\r\nSubject: inner\r\n\r\ninner")
    return outer, inner.encode() + b"\r\n.\r\n"


numbers = itertools.count(1)


def attempt(port, sequence, at_start, cuts=()):
    """Sends one message with the sequence in it, cut where it is said; its token and the reply to it."""
    token = f"c{next(numbers)}x"
    before, behind = content(token, sequence, at_start)
    client = Client(port)
    client.begin(f"{token}@backend.test")
    # (A cut at 0 and one at the end are before and behind it.)
    client.send(*split(before + sequence + behind, [len(before) + place for place in cuts]))
    reply = client.reply()
    client.end()
    return token, reply


def normalized(text):
    """What becomes of a text without NUL: bare LF is CRLF, bare CR a space."""
    return re.sub(rb"\r\n|\n|\r", lambda end: b" " if end.group() == b"\r" else b"\r\n", text)


def smuggled(backend, port):
    """Which sequences bring the backend two messages at that port."""
    tokens = [(name, attempt(port, sequence, at_start)[0]) for name, sequence, at_start in TRIED]
    backend.settle()
    return [name for name, token in tokens if backend.count(token) > 1]


def through(backend, policy, cuts):
    """Sends every sequence through a relay with that policy, whole and cut; what came out has to be as expected."""
    message, expected = POLICIES[policy]
    # (A Received field would take a first line that begins with a space for its own.)
    relay = world.Relay(2600, backend.port, "received: off, " + message)
    before, sent = relay.descriptors, []
    for name, sequence, at_start in TRIED:
        for places in cuts(sequence):
            token, reply = attempt(relay.port, sequence, at_start, places)
            sent.append((name, sequence, at_start, places, token, reply))
    relay.check()
    world.until(
        lambda: relay.descriptors <= before + len(connected(backend.port)),
        lambda: f"descriptors leaked: {before} before, {len(connected(backend.port))} connections, {relay.descriptor_names}", 60)
    relay.stop()
    backend.settle()
    wrong = []
    for name, sequence, at_start, places, token, reply in sent:
        count, reply_begins = expected(sequence)
        if (reply or "").startswith(backend.refusal):
            count, reply_begins = 0, backend.refusal
        if backend.count(token) != count or not (reply or "").startswith(reply_begins):
            wrong.append(f"{name} cut at {places}: {backend.count(token)} arrived, {reply}")
        elif count and b"\0" not in sequence and (came := backend.content(token)) is not None:
            head, tail = content(token, sequence, at_start)
            text = head + sequence + tail.removesuffix(b".\r\n")
            wanted = strictly(text) if policy == "pass" else normalized(unstuffed(text))
            if came != wanted:
                wrong.append(f"{name} cut at {places}: {came} instead of {wanted}")
    world.expect(not wrong, f"{len(wrong)} of {len(sent)}: " + "; ".join(wrong[:10]))
    return len(sent)


def strictly(text):
    """What a strict server takes for the content."""
    end = text.find(b"\r\n.\r\n")
    return re.sub(rb"(^|\r\n)\.", rb"\1", text if end < 0 else text[:end + 2])


def every_cut(sequence):
    """Whole, cut at each offset, and at all of them."""
    return [(), *((place,) for place in range(len(sequence) + 1)), tuple(range(len(sequence) + 1))]


def some_cuts(sequence):
    """Whole, and in two before or behind the dot."""
    dot = sequence.index(b".")
    return [(), (dot,), (dot + 1,)]


def bare(sequence):
    """Whether it has a CR or LF that is not in CRLF."""
    return bool(re.search(rb"\r(?!\n)|(?<!\r)\n", sequence))


REFUSED, TAKEN = (0, "554 5.6.0"), (1, "250")
# What relay.yaml says under `message`, and what becomes of a sequence: how many arrive, and how the reply begins.
POLICIES = {
    "normalize": ("bare-line-ends: normalize", lambda sequence: TAKEN),
    "reject": ("bare-line-ends: reject", lambda sequence: REFUSED if bare(sequence) else TAKEN),
    "nul": ("nul: reject", lambda sequence: REFUSED if b"\0" in sequence else TAKEN),
    "pass": ("bare-line-ends: pass", lambda sequence: TAKEN),
}


def trial(policy, kind):
    started = time.monotonic()
    backend = Lenient(2500) if kind == "lenient" else Real(KINDS[kind], 2500)
    direct = smuggled(backend, backend.port)
    print(f"smuggling {kind}: without a relay {len(direct)} of {len(TRIED)} sequences smuggle: {' '.join(direct)}")
    # (A trial that cannot fail shows nothing.)
    least = {"lenient": len(TRIED), "postfix": 1, "unpatched-aiosmtpd": 1}.get(kind, 0)
    world.expect(len(direct) >= least, f"{kind} takes less for an end than it should")
    cuts = every_cut if kind == "lenient" else some_cuts
    count = through(backend, policy, cuts)
    print(
        f"smuggling {kind}: through the relay ({policy}) none of {count} messages smuggled, "
        f"{time.monotonic() - started:.0f} s", flush=True)


def terminator():
    """The end of data, and what follows it, in every way of cutting it in two, and cut everywhere."""
    backend = Lenient(2500)
    relay = world.Relay(2600, backend.port, "received: off")
    count = 0
    second = "MAIL FROM:<second@sender.test>\r\nRCPT TO:<second@backend.test>\r\nDATA\r\n"
    bodies = [b"", b"text", b"..", b"...x", b"\r\n", b"text\r\n\r\n"]
    for body, (behind, codes) in itertools.product(bodies, [
        ("", []), ("NOOP\r\n", ["250"]), ("RSET\r\nNOOP\r\n", ["250", "250"]), ("QUIT\r\n", ["221"]),
        (second, ["250", "250", "354"]),
    ]):
        # (An end right behind the 354 has no line end before it.)
        end = (b"\r\n.\r\n" if body else b".\r\n") + behind.encode()
        for cuts in [(), *((place,) for place in range(len(end) + 1)), tuple(range(len(end) + 1))]:
            token, client = f"c{next(numbers)}x", Client(relay.port)
            client.begin(f"{token}@backend.test")
            client.send(*split(body + end, [len(body) + place for place in cuts]))
            replies = [client.reply() for _ in ["250", *codes]]
            if behind == second:
                client.send(b"second\r\n.\r\n")
                replies.append(client.reply())
                codes_wanted = ["250", *codes, "250"]
            else:
                codes_wanted = ["250", *codes]
            world.expect(
                [reply and reply[:3] for reply in replies] == codes_wanted,
                f"{body!r} {behind!r} cut at {cuts}: {replies} instead of {codes_wanted}")
            client.end()
            came = [content for _, content in backend.arrivals.get(token, [])]
            wanted = body + (b"\r\n" if body else b"")
            world.expect(came == [wanted], f"{body!r} {behind!r} cut at {cuts}: {came} arrived")
            count += 1
    relay.check()
    print(f"terminator: {count} messages, cut in every place, arrived once each", flush=True)


def chunks():
    """In chunks nothing is an end of data, the end itself neither: each sequence, with a chunk ending at each place in it."""
    backend = Lenient(2500)
    relay = world.Relay(2600, backend.port, "received: off")
    tried = [(name, sequence, False) for name, sequence in SEQUENCES.items()]
    tried += [(name, sequence, True) for name, sequence in AT_START.items()]
    count, wrong = 0, []
    for name, sequence, at_start in tried:
        for places in every_cut(sequence):
            token = f"c{next(numbers)}x"
            before, behind = content(token, sequence, at_start)
            text = before + sequence + behind
            client = Client(relay.port)
            world.expect((client.reply() or "").startswith("220"), "no greeting")
            client.command("EHLO client.test", "250")
            client.command("MAIL FROM:<outer@sender.test>", "250")
            client.command(f"RCPT TO:<{token}@backend.test>", "250")
            *parts, last = split(text, [len(before) + place for place in places])
            for part in parts:
                client.send(b"BDAT %d\r\n" % len(part) + part)
                client.reply()
            client.send(b"BDAT %d LAST\r\n" % len(last) + last)
            reply = client.reply()
            client.end()
            came = [unstuffed(wire) for _, wire in backend.arrivals.get(token, [])]
            count += 1
            if not (reply or "").startswith("250") or len(came) != 1:
                wrong.append(f"{name} in chunks at {places}: {len(came)} arrived, {client.replies}")
            elif b"\0" not in sequence and came != [normalized(text)]:
                wrong.append(f"{name} in chunks at {places}: {came[0]} instead of {normalized(text)}")
    world.expect(not wrong, f"{len(wrong)} of {count}: " + "; ".join(wrong[:10]))
    relay.check()
    print(f"chunks: {count} messages in chunks, the end of data among them, arrived once each", flush=True)


def nginx():
    """The check of the check: nginx hands octets on as they come, so each sequence smuggles through it."""
    class Lookup(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name, value in (("Auth-Status", "OK"), ("Auth-Server", "127.0.0.1"), ("Auth-Port", "2500")):
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    backend = Lenient(2500)
    lookup = http.server.ThreadingHTTPServer(("127.0.0.1", 2611), Lookup)
    threading.Thread(target=lookup.serve_forever, daemon=True).start()
    configuration = world.write(world.FOLDER + "/nginx.conf", f"""\
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
user postern-app postern-app;
pid {world.FOLDER}/nginx.pid;
error_log stderr;
events {{}}
mail {{
    auth_http 127.0.0.1:2611/;
    server {{ listen 127.0.0.1:2610; protocol smtp; proxy on; xclient off; smtp_auth none; }}
}}
""")
    world.Program("/usr/sbin/nginx", "-e", "stderr", "-p", world.FOLDER, "-c", configuration, port=2610)
    through_nginx = smuggled(backend, 2610)
    missing = sorted({name for name, _, _ in TRIED} - set(through_nginx))
    world.expect(not missing, f"through nginx these did not smuggle: {missing}")
    print(f"smuggling nginx: {len(through_nginx)} of {len(TRIED)} sequences smuggle through nginx", flush=True)


KINDS = {
    "postfix": Postfix, "exim": Exim, "opensmtpd": OpenSMTPD, "aiosmtpd": Aiosmtpd,
    "unpatched-aiosmtpd": UnpatchedAiosmtpd,
}

if __name__ == "__main__":
    world.main({"smuggling": trial, "terminator": terminator, "chunks": chunks, "nginx": nginx})
