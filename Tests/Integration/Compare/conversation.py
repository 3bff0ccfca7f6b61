"""Conversations, as conversations/*.txt has them.

    == 4-01 A title                     the number begins with the section of what nginx does that it is about
    nginx max_errors 3                  a directive of the server, in place of the one in BASE; `nginx -NAME`: without it
    needs tls auth                      skipped while `postern check` refuses what this needs
    may D5 D9                           the deviations of docs/nginx.md that it may show, and then has to
    lookup OK | Auth-User: bob          the auth server's answers, in turn; the last one stays
    backend RCPT 550 5.1.1 No           the backend's replies to a verb, in turn; the last one stays
    client name=value ...               how the client connects: tls, alpn=, certificate=, proxy="...", from=, unix
    mail / message                      an envelope of one recipient / DATA and a message, with their replies
    > MAIL FROM:<a@b.test>              sends a line, awaits one reply
    >> NOOP                             the same, in one write with the next one
    >- Subject: x                       sends a line, awaits nothing
    raw "NOOP\\n"                        sends octets, awaits one reply; raw- awaits none
    reply                               awaits one reply more
    starttls                            STARTTLS and, where it is taken, the handshake; with "octets" right behind it
    cram USER PASSWORD                  answers the challenge of CRAM-MD5
    wait 3                              says nothing for so many seconds
    closed                              waits for the end of the connection
    shut / drop                         closes the sending side / the connection

Nothing is expected of any reply: what is compared is what two servers say. In an answer of the auth server, `OK` is
Auth-Status: OK with the backend's address; `close`, `silent` and `raw "..."` are what they say; `slow 2 | ...` waits
first. A backend's reply has `|` for a line end; `close`, `silent`, `raw "..."` and `slow 2 ...` are the same there.
"""
import ast, os, re

BASE = {
    "smtp_auth": "none", "xclient": "off", "proxy_pass_error_message": "on", "timeout": "30s",
    "smtp_capabilities": "PIPELINING 8BITMIME",
}
# The default backend announces no PIPELINING: its commands come one by one.
BACKEND = {
    "greeting": ["220 backend.test ESMTP"], "EHLO": ["250-backend.test|250-SIZE 1000000|250 8BITMIME"],
    "HELO": ["250 backend.test"], "MAIL": ["250 2.0.0 OK"], "RCPT": ["250 2.1.5 OK"],
    "DATA": ["354 End data with <CR><LF>.<CR><LF>"], ".": ["250 2.0.0 Taken"], "RSET": ["250 2.0.0 OK"],
    "NOOP": ["250 2.0.0 OK"], "QUIT": ["221 2.0.0 Bye"], "XCLIENT": ["220 backend.test ESMTP"],
    "AUTH": ["235 2.7.0 Accepted"], "other": ["502 5.5.1 Command not implemented"],
}
SHORT = {
    "mail": ["> MAIL FROM:<a@from.test>", "> RCPT TO:<b@to.test>"],
    "message": ["> DATA", ">- Subject: a test", ">-", ">- One line.", "> ."],
}
STEPS = {"raw", "raw-", "reply", "starttls", "cram", "wait", "closed", "shut", "drop"}


class Conversation:
    def __init__(self, number, title, place):
        self.number, self.title, self.place = number, title, place
        self.section = int(number.split("-")[0])
        self.directives = dict(BASE)
        self.needs, self.may = set(), []
        self.lookups = []
        self.backend = dict(BACKEND)
        self.client = {}
        self.steps = []

    @property
    def key(self):
        """Conversations with the same key share their servers."""
        return tuple(sorted(self.directives.items()))

    def add(self, line):
        word, _, rest = line.partition(" ")
        if word in SHORT:
            for step in SHORT[word]:
                self.add(step)
        elif word in (">", ">>", ">-") or word in STEPS:
            is_literal = word.startswith("raw") or word == "starttls" and rest
            self.steps.append((word, literal(rest) if is_literal else rest))
        elif word == "nginx":
            name, _, value = rest.rstrip(";").partition(" ")
            if name.startswith("-"):
                self.directives.pop(name[1:], None)
            else:
                self.directives[name] = value
        elif word == "needs":
            self.needs |= set(rest.split())
        elif word == "may":
            self.may += rest.split()
        elif word == "lookup":
            self.lookups.append(rest)
        elif word == "backend":
            verb, _, reply = rest.partition(" ")
            if self.backend.get(verb) is BACKEND.get(verb):
                self.backend[verb] = []
            self.backend[verb].append(reply)
        elif word == "client":
            for part in re.findall(r'[\w-]+(?:=(?:"[^"]*"|\S+))?', rest):
                name, _, value = part.partition("=")
                self.client[name] = value.strip('"')
        else:
            raise ValueError(f"{self.place}: no such line: {line!r}")


def literal(text):
    """Octets written as Python writes a string: "...", with `* number` and `+` between such."""
    def value(node):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
            left, right = value(node.left), value(node.right)
            return left + right if isinstance(node.op, ast.Add) else left * right
        return ast.literal_eval(node)
    return value(ast.parse(text, mode="eval").body).encode("latin-1")


def load(folder):
    """All conversations of a folder, in the order of its files."""
    found = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".txt"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\n")
                if line.startswith("== "):
                    key, _, title = line[3:].partition(" ")
                    found.append(Conversation(key, title, f"{name}:{number}"))
                elif line and not line.startswith("#"):
                    found[-1].add(line)
    numbers = [conversation.number for conversation in found]
    twice = {number for number in numbers if numbers.count(number) > 1}
    if twice:
        raise ValueError(f"numbers that are there twice: {sorted(twice)}")
    return found
