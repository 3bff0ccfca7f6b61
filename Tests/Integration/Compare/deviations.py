"""What the deviations of docs/nginx.md look like on the wire: for each, (what it is about, nginx's value, the relay's).

All three are regular expressions for the whole of it; `-` stands for what is missing on that side. A group of nginx's
can be referred to in the relay's. In place of the two values there may be a function of them.
"""

REPLY, TIME, LOOKUP, BACKEND, END = r"reply to .*", r"time of reply to .*", r"lookup \d+", r"backend \d+", r"end"
INVALID = r"500 5\.5\.1 Invalid command"
ARGUMENT = r"501 5\.5\.4 Invalid argument"
SEQUENCE = r"503 5\.5\.1 Bad sequence of commands"
INTERNAL = r"451 4\.3\.2 Internal server error"
CLOSED = r"\(closed\)"
ANY = r".*"
# What the relay says itself where nginx leaves it to the backend.
OWN = r"250 2\.0\.0 OK|252 2\.0\.0 .*|214 2\.0\.0 .*|221 2\.0\.0 Bye|250-relay\.test.*|502 5\.5\.1 Command not implemented"
# The end of a session that only nginx ends.
STAYS = [(END, "closed", "open")]
GOES_ON = STAYS + [(REPLY, CLOSED, r"[2345].*")]
# What nginx does with a command that the relay refuses: it asks, connects, and passes on.
NEVER_ASKED = [(LOOKUP, r"asked / .*", "-"), (BACKEND, r"connected / .*", "-")]



def lines(reply):
    """The lines of a reply to EHLO, in no order."""
    return sorted(line[4:] for line in reply.split("|"))


def has_other_order(nginx, relay):
    return lines(nginx) == lines(relay)


def keeps_passwords_out_of_clear(nginx, relay):
    """No mechanism that shows a password; for the rest the same lines."""
    def others(reply):
        return [line for line in lines(reply) if not line.startswith("AUTH ")]

    announced = [word for line in lines(relay) if line.startswith("AUTH ") for word in line.split()[1:]]
    return others(nginx) == others(relay) and set(announced) <= {"CRAM-MD5"}


RULES = {
    "D1": [(r"reply to .*EHLO .*", r"250-?.*", r"250-?.*")],
    "D2": [(r"reply to .*EHLO .*", has_other_order)],
    "D3": [(REPLY, "250 .*", r"555 5\.5\.4 Parameter not recognized")],
    "D4": [(REPLY, "250 .*", f"{ARGUMENT}|500 5\\.5\\.2 Invalid character in command"),
           (r"reply to .*EHLO .*", "250-.*", f"{ARGUMENT}|500 5\\.5\\.2 Invalid character in command")],
    "D5": [(REPLY, ANY, r"500 5\.5\.2 Lines end in CRLF")],
    "D6": [(REPLY, ANY, r"500 5\.5\.2 Invalid character in command")] + NEVER_ASKED,
    "D7": [(REPLY, ANY, r"553 5\.6\.7 .*|501 5\.6\.7 .*|500 5\.5\.2 Invalid character in command")] + NEVER_ASKED,
    "D8": [(REPLY, INVALID, r"250 .*|501 .*|503 .*|555 5\.5\.4 .*|502 .*")] + NEVER_ASKED,
    "D9": [(REPLY, f"{INVALID}|{CLOSED}", r"500 5\.5\.2 Line too long|250 .*"), (REPLY, CLOSED, r"[25].*")] + STAYS,
    "D10": [(REPLY, INVALID, f"{SEQUENCE}|554 5\\.5\\.1 No valid recipients"),
            (REPLY, "[2345].*", r"554 5\.5\.1 No valid recipients"),
            (BACKEND, "DATA", "-")],
    "D11": [(REPLY, INVALID, r"252 2\.0\.0 .*|214 2\.0\.0 .*|" + ARGUMENT)],
    "D12": [(REPLY, INVALID, r"502 5\.5\.1 Command not implemented")],
    "D13": [(REPLY, INVALID, f"{SEQUENCE}|{ARGUMENT}"), (END, "open", "closed"), (REPLY, "[25].*", CLOSED),
            (REPLY, "250 .*", "221 .*"), ("unasked", "221 .*", "-")],
    "D14": [(REPLY, "250 .*|[45].*", f"{ARGUMENT}|501 5\\.1\\.[37] .*"), (REPLY, "2.*", SEQUENCE)] + NEVER_ASKED,
    "D15": [(REPLY, "250 .*", r"555 5\.5\.4 .*|501 5\.5\.4 .*|552 5\.3\.4 .*|501 5\.5\.2 .*"),
            (REPLY, "250 .*", SEQUENCE)] + NEVER_ASKED,
    "D16": [(REPLY, f"{SEQUENCE}|530 5\\.7\\.1 .*|{INVALID}", r"50[0123] .*|555 .*")],
    "D17": [(REPLY, INVALID, r"421 4\.7\.0 Too many errors"), (REPLY, CLOSED + "|[25].*", "5.*|" + CLOSED)] + STAYS
    + [(END, "open", "closed")],
    "D18": [(REPLY, INVALID, r"521 5\.5\.1 This is an SMTP server"), (END, "open", "closed"), (REPLY, "[25].*", CLOSED)],
    "D19": [(REPLY, r"220 2\.0\.0 Start TLS", ARGUMENT), (r"TLS at .*", ANY, ANY)],
    "D20": [(REPLY, f"{INVALID}|220 2\\.0\\.0 Start TLS", SEQUENCE), (r"TLS at .*", ANY, ANY)],
    "D21": [(REPLY, ANY, r"530 5\.7\.0 Must issue a STARTTLS command first")] + NEVER_ASKED,
    "D22": [(REPLY, "235 .*", SEQUENCE)] + NEVER_ASKED,
    "D23": [(r"TLS at .*", ANY, ANY)],
    "D24": [(REPLY, INTERNAL, r"451 4\.(3\.0|4\.1|4\.2|7\.5) .*|454 4\.7\.0 .*"), (TIME, ANY, ANY)] + GOES_ON
    + [(LOOKUP, "-", r"asked / .*")],
    "D25": [(REPLY, ANY, r"504 5\.5\.4 Mechanism not supported"), (REPLY, ANY, "500 5.*|502 5.*|503 5.*")] + NEVER_ASKED
    + STAYS,
    "D26": [(REPLY, INVALID, r"501 5\.5\.2 .*")],
    "D27": [(REPLY, INVALID, r"501 5\.7\.0 Authentication cancelled")],
    "D28": [(REPLY, "235 .*|[45].*", r"535 5\.7\.8 .*")] + NEVER_ASKED + STAYS,
    "D29": [(REPLY, ANY, SEQUENCE), (REPLY, ANY, "500 5.*")] + NEVER_ASKED + STAYS,
    "D30": [(REPLY, ANY, SEQUENCE), (BACKEND, "AUTH .*", "-")],
    "D31": [(REPLY, r"334 .* \(the same\)", "334 .*")],
    "D32": [(REPLY, ANY, "5.*"), (REPLY, CLOSED, "[25].*")] + NEVER_ASKED + STAYS,
    "D33": [(BACKEND, r"connected / .*", "-"), (REPLY, f"{INTERNAL}|[45].*", r"235 2\.0\.0 OK")] + GOES_ON,
    "D34": [(REPLY, "[2345].*", r"250 2\.0\.0 OK"), (REPLY, "2.*", "[45].*"), (BACKEND, "RCPT .*", "-")],
    "D35": [(LOOKUP, "Auth-(User|Pass): .+", "Auth-(User|Pass): ")],
    "D36": [(REPLY, INVALID, r"538 5\.7\.11 .*|530 5\.7\.0 .*|504 5\.5\.4 .*")],
    "D37": [(REPLY, INVALID, ARGUMENT), (REPLY, INVALID, r"504 5\.5\.4 Mechanism not supported")],
    "D38": [(LOOKUP, "-", r"asked / .*"), (BACKEND, r"RCPT .*", "-")],
    "D39": [(LOOKUP, r"Auth-Login-Attempt: \d+", r"Auth-Login-Attempt: \d+")],
    "D40": [(REPLY, ANY, r"451 4\.3\.0 .*")] + NEVER_ASKED,
    "D41": [(LOOKUP, r"Auth-Salt: .*", "-")],
    "D42": [],
    "D43": [(TIME, ANY, ANY), (REPLY, INTERNAL, r"250 .*"), (REPLY, r"250 .*", r"451 4\.3\.0 .*"),
            (BACKEND, "-", r"connected / .*"), (BACKEND, r"connected / .*", "-"), (REPLY, CLOSED, "[25].*"),
            (LOOKUP, "-", r"asked / .*")] + STAYS,
    "D44": [(REPLY, r"\(nothing\)|" + INTERNAL, r"250 .*"), (REPLY, r"\(nothing\)|[45].*|" + CLOSED, "[2345].*"),
            (TIME, ANY, ANY), (LOOKUP, r"asked / .*", "-"), (LOOKUP, "-", r"asked / .*"), (BACKEND, "-", r"connected / .*"),
            (END, "open", "closed"), (END, "closed", "open"), ("time of end", ANY, ANY)],
    "D45": [(REPLY, ANY, r"[45]\d\d [45]\.\d+\.\d+ .*")],
    "D46": [(TIME, ANY, ANY)],
    "D47": [(REPLY, "2.*", "[45].*")] + STAYS,
    "D48": [(REPLY, INTERNAL, r"250 .*"), (BACKEND, "-", r"connected / .*"), (REPLY, CLOSED, "[25].*")] + STAYS,
    "D49": [(REPLY, ANY, r"451 4\.3\.0 .*"), (LOOKUP, r"asked / .*", "-")] + GOES_ON,
    "D50": [(BACKEND, "HELO .*", "EHLO .*"), (BACKEND, "-", "[EH][HE]LO .*")],
    "D51": [(BACKEND, r"(\+ )?[Mm][Aa][Ii][Ll] .*", r"(\+ )?MAIL FROM:<[^ ]*>( .*)?"),
            (BACKEND, r"(\+ )?[Rr][Cc][Pp][Tt] .*", r"(\+ )?RCPT TO:<[^ ]*>( .*)?")],
    "D52": [(BACKEND, r"\+ (RCPT|DATA) ?.*", r"(RCPT|DATA) ?.*"), (BACKEND, r"(RCPT|DATA|MAIL) ?.*", r"\+ (RCPT|DATA|MAIL) ?.*")],
    "D53": [(REPLY, f"{INTERNAL}|[245].*", r"[245].*"), (REPLY, CLOSED, "[2345].*"), (BACKEND, "-", ".*"),
            (LOOKUP, "-", r"asked / .*")] + STAYS,
    "D54": [(REPLY, f"{INTERNAL}|25[12] .*", r"250 .*"), (BACKEND, "-", ".*"), (REPLY, CLOSED, "[2345].*")] + STAYS,
    "D55": [(REPLY, r"(\d\d\d)\b.*", r"\1\b.*"), (REPLY, "421 .*", "451 .*")],
    "D56": [(REPLY, r"\(nothing\)|" + INTERNAL, r"[2345].*"), (TIME, ANY, ANY), (BACKEND, "-", ANY), (REPLY, CLOSED, "[2345].*")]
    + STAYS,
    "D57": [(REPLY, INTERNAL, r"[2345].*"), (BACKEND, "-", ANY), (REPLY, CLOSED, "[2345].*")] + STAYS,
    "D58": [(REPLY, r"[2345].*", r"451 4\.3\.0 .*"), (BACKEND, ANY, "-"), (BACKEND, "-", ANY), (REPLY, ANY, "[45].*")],
    "D59": [(REPLY, r"[2345].*", f"{OWN}|{SEQUENCE}|{INVALID}"),
            (BACKEND, r"(NOOP|EHLO|HELO|VRFY|HELP|EXPN|RSET|MAIL|QUIT|STARTTLS|AUTH|XYZZ|BDAT)\b.*", "-"),
            (BACKEND, "-", r"RSET|QUIT"), (BACKEND, "RSET", "QUIT"), (BACKEND, r"MAIL .*", "RSET"),
            (BACKEND, "-", r"MAIL .*")],
    "D60": [(REPLY, r"354 .*", r"354 End data with <CR><LF>\.<CR><LF>")],
    "D61": [(BACKEND, r".*\\n", r".*"), (BACKEND, r".*\r.*", r".* .*"), (BACKEND, r"\.", r"\.\."),
            # A backend for which the message ended within.
            (BACKEND, r"\+ (.*)", r"\1"), (BACKEND, r"\+ .*", "-"), (BACKEND, "-", r"\.\.|MAIL .*"),
            (REPLY, r"250 2\.0\.0 OK", r"221 2\.0\.0 Bye"), ("unasked", ".+", "-")],
    "D62": [(BACKEND, "-", "Received: …")],
    "D63": [(BACKEND, "-", "QUIT")],
    "D64": [(REPLY, CLOSED, "[2345].*")],
    "D65": [(REPLY, CLOSED + "|[2345].*" + CLOSED, r"451 4\.4\.2 .*|[2345].*"), (BACKEND, "-", r"connected / .*"),
            (LOOKUP, "-", r"asked / .*")] + STAYS,
    "D66": [(BACKEND, "XCLIENT .*", "XCLIENT .*"), (REPLY, "[25].*", "451 4.*"), (BACKEND, ANY, "-"),
            (LOOKUP, "-", r"asked / .*")],
    # (What nginx makes of it depends on whether the answer to the injected command comes before it says EHLO again.)
    "D83": [(BACKEND, "XCLIENT .*", "XCLIENT .*"), (BACKEND, ANY, "-"), (BACKEND, "-", ANY), (REPLY, ANY, "2.*")],
    "D67": [(REPLY, ANY, "235 .*|451 4.*"), (BACKEND, "AUTH .*", "-"), (BACKEND, ANY, "-"), (BACKEND, "-", ANY)] + GOES_ON,
    "D69": [(REPLY, CLOSED, r"421 4\.4\.2 .*|[2345].*"), (TIME, ANY, ANY), ("time of end", ANY, ANY), ("unasked", "-", "421 4.*")]
    + STAYS,
    "D70": [(REPLY, INTERNAL, r"451 4\.(4\.2|3\.0|4\.1) .*"), (TIME, ANY, ANY)] + GOES_ON,
    "D71": [("unasked", "-", "421 4.*"), ("time of end", ANY, ANY), (REPLY, CLOSED, "421 4.*"), (BACKEND, "-", "QUIT")]
    + STAYS,
    "D72": [],
    "D73": [(REPLY, r"[2345].*", CLOSED), (END, "open", "closed")] + NEVER_ASKED,
    "D74": [("time of end", ANY, ANY), (REPLY, CLOSED, r"[2345].*"), (LOOKUP, "-", r"asked / .*"), (BACKEND, "-", r"connected / .*")] + STAYS,
    "D75": [],
    "D76": [(BACKEND, "MAIL .*|RCPT .*", "-"), (BACKEND, "-", "connected / .*"), (REPLY, "2.*", r"452 4\.5\.3 .*"),
            (LOOKUP, "-", r"asked / .*")],
    "D77": [(REPLY, ANY, r"552 5\.3\.4 .*|452 4\.5\.3 .*|421 4.*"), (BACKEND, ANY, "-"), (BACKEND, "-", "Received: …"),
            # (The last line is cut where the limit is.)
            (BACKEND, "(.*).+", r"\1")],
    "D80": [(BACKEND, r"(PROXY TCP\d \S+) \S+ port port", r"\1 \S+ port port")],
    "D81": [],
    "D84": [],
    "D82": [(r"reply to .*EHLO .*", keeps_passwords_out_of_clear)],
    "D78": [(REPLY, f"{INVALID}|{CLOSED}|.*{CLOSED}", r"250 .*"), ("unasked", "-", "250 .*")] + STAYS,
    "D79": [(REPLY, ANY, r"554 5\.5\.0 .*"), (REPLY, ANY, CLOSED), (END, "open", "closed")]
    + NEVER_ASKED,
}
