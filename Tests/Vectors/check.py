"""The Python client under test: `verdicts FILE...`, or `ask SOCKET NAME...`; see README.md."""

import os
import sys

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.environ.get("POSTERN_PYTHON", os.path.join(root, "Sources", "clients", "python")))
sys.dont_write_bytecode = True
import postern  # noqa: E402


def packet_of(lines):
    """The bytes that a vector's lines stand for."""
    text, packet, index = "".join(lines), bytearray(), 0
    while index < len(text):
        if text[index] != "\\":
            packet += text[index].encode()
            index += 1
        elif text[index + 1] == "x":
            packet.append(int(text[index + 2 : index + 4], 16))
            index += 4
        else:
            packet += {"n": b"\n", "\\": b"\\"}[text[index + 1]]
            index += 2
    return bytes(packet)


def packet_verdict(packet, is_reply):
    try:
        found = postern._parse_packet(packet, is_reply)
    except postern._PacketError as error:
        return str(error)
    lines = ["%s=%s" % (key, value if len(value) <= 100 else "<%d>" % len(value)) for key, value in found.lines]
    return "|".join(["ok %s %s" % found.head] + lines)


def grant_verdict(packet, names):
    try:
        reply = postern._parse_reply(packet, "get")
        if reply.head[0] != "200":
            return "refused %s|%s" % (reply.head[0], reply.value("text") or "")
        granted = postern._parse_grant(reply, names)
    except postern._GrantError as error:
        return "bad %s" % error
    words = ["granted"]
    for name, spec in granted:
        kind = {None: "any"}.get(spec.address) or {4: "4", 16: "6"}[len(spec.address)]
        address = "-" if spec.address is None else spec.address.hex()
        option = "v6only" if spec.v6only else "-"
        words.append("%s %s %s %s %d %s %s" % (name, spec.transport, kind, address, spec.port, option, spec.device or "-"))
    return "|".join(words)


def verdicts(files):
    for file in files:
        with open(file) as vector:
            head, *lines = vector.read().split("\n")
        kind, _, _ = head.partition(": ")
        packet = packet_of(lines)
        if kind in ("request", "reply"):
            verdict = packet_verdict(packet, kind == "reply")
        else:
            verdict = grant_verdict(packet, kind.partition(" ")[2].split(","))
        print("%s\t%s" % (os.path.basename(file), verdict))


def ask(path, names):
    """Asks a broker; prints what came, or the error, and whether a descriptor was left open."""
    before = set(os.listdir("/proc/self/fd"))
    try:
        with postern.get(names, path=path, timeout=5) as lease:
            for name in names:
                for made in lease.sockets[name]:
                    print("%s %s:%d" % ((name,) + made.getsockname()[:2]))
    except postern.PosternError as error:
        print("%d %s" % (error.code, error))
    print("open %d" % (len(os.listdir("/proc/self/fd")) - len(before)))


if __name__ == "__main__":
    if sys.argv[1] == "verdicts":
        verdicts(sys.argv[2:])
    else:
        ask(sys.argv[2], sys.argv[3:])
