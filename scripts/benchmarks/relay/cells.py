"""What is measured, and what is aimed at."""

from dataclasses import dataclass

ALL = ["direct", "nginx", "nginx-stream", "haproxy", "postfix", "postern", "postern-lookup"]
LARGE = ["direct", "nginx", "nginx-64k", "nginx-stream", "haproxy", "postfix", "postern", "postern-lookup"]


@dataclass(frozen=True)
class Cell:
    """A load, and who carries it. `each`: messages a connection, 0 for all, -1 for none."""

    key: str
    title: str
    size: int
    each: int
    sessions: int
    contenders: list
    options: tuple = ()


def cell(size, each, sessions, contenders, suffix="", title="", options=()):
    """`suffix`, `title`, `options`: what is other than a closed loop without TLS; options are smtp-load's."""
    name = {1000: "1k", 20000: "20k", 50000: "50k", 1000000: "1m", 10000000: "10m"}[size]
    words = {1: "one", 0: "many"}[each]
    said = f"{size // 1000} KB" if size < 10**6 else f"{size // 10**6} MB"
    count = f"{sessions} session" + ("s" if sessions > 1 else "")
    title = f"{said}, {words} message{'s' if each != 1 else ''} a connection, {count}{title}"
    return Cell(f"{name}-{words}-{sessions}{suffix}", title, size, each, sessions, contenders, tuple(options))


CELLS = [
    cell(1000, 1, 20, ALL),
    cell(1000, 0, 20, ALL),
    cell(1000, 1, 20, ["direct", "nginx", "haproxy", "postfix", "postern", "postern-lookup"], "-pipelined",
         ", pipelined where announced", ["-p"]),
    cell(1000, 1, 200, ["direct", "nginx", "nginx-stream", "haproxy", "postern", "postern-lookup"], "-open",
         " at most, 1,000 messages a second whatever comes back", ["-r", "1000"]),
    cell(1000, 1, 1, ["direct", "nginx", "haproxy", "postern", "postern-lookup"]),
    cell(1000, 1, 500, ["nginx", "nginx-stream", "haproxy", "postern", "postern-lookup"]),
    cell(1000, 0, 500, ["nginx", "haproxy", "postern", "postern-lookup"]),
    cell(20000, 1, 20, LARGE),
    cell(20000, 0, 20, ["nginx", "nginx-64k", "haproxy", "postern", "postern-lookup"]),
    cell(50000, 1, 20, LARGE),
    cell(50000, 0, 20, ["nginx", "nginx-64k", "haproxy", "postern", "postern-lookup"]),
    cell(1000000, 1, 20, LARGE),
    cell(10000000, 1, 20, ["direct", "nginx-64k", "nginx-stream", "haproxy", "postern", "postern-lookup"]),
    cell(1000, 1, 20, ["nginx-auth", "postern-auth"], "-auth", ", AUTH and XCLIENT"),
    cell(1000, 1, 20, ["nginx-starttls", "postern-starttls"], "-starttls", ", STARTTLS"),
    cell(50000, 0, 20, ["nginx-starttls", "postern-starttls"], "-starttls", ", STARTTLS"),
    cell(1000000, 1, 20, ["nginx-starttls", "postern-starttls"], "-starttls", ", STARTTLS"),
    Cell("handshake", "a full TLS 1.3 handshake, P-256, and a greeting", 0, -1, 20, ["nginx-tls", "postern-tls"]),
]


def ratio(report, key, ours, theirs, figure):
    """One median over another, or None where one was not measured."""
    for one in report["cells"]:
        if one["key"] == key:
            medians = one["medians"]
            if ours in medians and theirs in medians and medians[theirs][figure]:
                return medians[ours][figure] / medians[theirs][figure]
    return None


def growth(report, *path):
    value = report.get("growth", {})
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


CPU, RATE = "cpuMicroseconds", "messagesPerSecond"

# What it is called, how it is had from a report, how it must compare with what, and the unit.
AIMS = [
    ("1 KB, one message a connection, auth_http: CPU to nginx mail",
     lambda r: ratio(r, "1k-one-20", "postern-lookup", "nginx", CPU), "≤", 0.70, ""),
    ("the same, messages a second", lambda r: ratio(r, "1k-one-20", "postern-lookup", "nginx", RATE), "≥", 1.5, ""),
    ("1 KB, many messages a connection: CPU to nginx mail, auth_http",
     lambda r: ratio(r, "1k-many-20", "postern-lookup", "nginx", CPU), "≤", 1.0, ""),
    ("the same, route table", lambda r: ratio(r, "1k-many-20", "postern", "nginx", CPU), "≤", 1.0, ""),
    *[(f"{size} KB, {words}: messages a second to nginx mail{as_}",
       lambda r, size=size, word=word, rival=rival: ratio(r, f"{size}k-{word}-20", "postern-lookup", rival, RATE), "≥", aim, "")
      for size in (20, 50) for word, words in (("one", "one message a connection"), ("many", "many messages a connection"))
      for rival, as_, aim in (("nginx", "", 4.0), ("nginx-64k", " with buffers of 64 KB", 1.2))],
    *[(f"{size} KB, {words}: CPU to HAProxy tcp, route table",
       lambda r, size=size, word=word: ratio(r, f"{size}k-{word}-20", "postern", "haproxy", CPU), "≤", 1.0, "")
      for size in (20, 50) for word, words in (("one", "one message a connection"), ("many", "many messages a connection"))],
    ("1 MB: CPU to nginx stream, route table",
     lambda r: ratio(r, "1m-one-20", "postern", "nginx-stream", CPU), "≤", 0.9, ""),
    ("10 MB: CPU to nginx stream, route table",
     lambda r: ratio(r, "10m-one-20", "postern", "nginx-stream", CPU), "≤", 0.9, ""),
    ("resident memory under 20 sessions", lambda r: growth(r, "memory", "postern", "loaded", "rssMB"), "≤", 24, "MB"),
    ("of it private", lambda r: growth(r, "memory", "postern", "loaded", "privateMB"), "≤", 6, "MB"),
    ("memory of an idle session", lambda r: growth(r, "idle", "postern", "kilobytesEach"), "≤", 12, "KB"),
    ("10,000 idle sessions beside a load: messages a second lost",
     lambda r: growth(r, "idle", "postern", "slowdownPercent"), "≤", 5, "%"),
    ("10,000 routes against 10: messages a second lost",
     lambda r: growth(r, "routes", "slowdownPercent"), "≤", 2, "%"),
    ("a full TLS 1.3 handshake: CPU to nginx", lambda r: ratio(r, "handshake", "postern-tls", "nginx-tls", CPU), "≤", 1.2, ""),
]


def judged(report):
    """Each aim with what was measured: True, False, or None where it was not."""
    result = []
    for name, value_of, sign, aim, unit in AIMS:
        value = value_of(report)
        met = None if value is None else value <= aim if sign == "≤" else value >= aim
        result.append({"aim": name, "sign": sign, "limit": aim, "unit": unit, "measured": value, "met": met})
    return result
