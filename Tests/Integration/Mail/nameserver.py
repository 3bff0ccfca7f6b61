#!/usr/bin/env python3
"""A DNS server for tests, over UDP and TCP: nameserver.py PORT NAME/TYPE=VALUE... or nameserver.py PORT --zone FILE

FILE has one NAME/TYPE=VALUE a line, and is read again for each question. TYPE is PTR, A, AAAA or SRV, whose VALUE is
"PRIORITY WEIGHT PORT TARGET". Of several VALUEs for one NAME/TYPE all are answered, each time in another order. A VALUE may
end in @TTL (default: 60), and may also be
  !servfail        answered with SERVFAIL
  !silent          not answered
  !truncated       truncated over UDP; over TCP the other values
  !wrong-id        answered with another identifier
  !label:TEXT      a PTR record whose first label is TEXT, with backslash escapes, in .example
  !many:N          N A records of 10.0.0.0/8 before the other values
What is not there is NXDOMAIN. Prints "ready", then a line for each question: NAME/TYPE TRANSPORT.
"""
import socket
import socketserver
import struct
import sys
import threading

TYPES = {"A": 1, "PTR": 12, "AAAA": 28, "SRV": 33}
turns = 0


def parsed(lines):
    zone = {}
    for line in lines:
        key, value = line.split("=", 1)
        zone.setdefault(key.lower(), []).append(value)
    return zone


def current():
    """What is to be answered now."""
    if sys.argv[2:3] != ["--zone"]:
        return fixed
    with open(sys.argv[3], encoding="ascii") as file:
        return parsed(file.read().split("\n")[:-1])


fixed = {} if sys.argv[2:3] == ["--zone"] else parsed(sys.argv[2:])


def wire(labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def data(kind, value):
    if value.startswith("!label:"):
        label = value[len("!label:"):].encode("ascii").decode("unicode_escape").encode("latin-1")
        return wire([label, b"example"])
    if kind == "PTR":
        return wire([part.encode() for part in value.split(".")])
    if kind == "SRV":
        priority, weight, port, target = value.split(" ")
        name = wire([part.encode() for part in target.split(".") if part])
        return struct.pack("!HHH", int(priority), int(weight), int(port)) + name
    return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, value)


def answer(question, is_tcp):
    """The reply to a question, or nothing."""
    labels, index = [], 12
    while question[index]:
        labels.append(question[index + 1:index + 1 + question[index]].decode("latin-1"))
        index += 1 + question[index]
    number = struct.unpack("!H", question[index + 1:index + 3])[0]
    kind = {value: key for key, value in TYPES.items()}.get(number, str(number))
    key = ".".join(labels) + "/" + kind
    print(key, "TCP" if is_tcp else "UDP", flush=True)
    global turns
    turns += 1
    values = current().get(key.lower(), [])
    values = values[turns % len(values):] + values[:turns % len(values)] if values else values
    identifier, flags, records = question[:2], 0x8180, []
    for value in values:
        value, at, ttl = value.rpartition("@") if "@" in value else (value, "", "60")
        if value == "!silent":
            return None
        if value == "!servfail":
            flags = 0x8182
        elif value == "!truncated":
            if not is_tcp:
                flags = 0x8380
        elif value == "!wrong-id":
            identifier = bytes([identifier[0] ^ 0xFF, identifier[1]])
        elif value.startswith("!many:"):
            records += [(60, bytes([10, 0, n >> 8 & 255, n & 255])) for n in range(int(value[6:]))]
        else:
            records.append((int(ttl), data(kind, value)))
    if not values:
        flags = 0x8183
    if flags != 0x8180:
        records = []
    reply = identifier + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question[12:index + 5]
    for ttl, record in records:
        reply += b"\xc0\x0c" + struct.pack("!HHIH", number, 1, ttl, len(record)) + record
    return reply


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        reply = answer(self.request[0], False)
        if reply:
            self.request[1].sendto(reply, self.client_address)


class Stream(socketserver.StreamRequestHandler):
    def handle(self):
        while head := self.rfile.read(2):
            reply = answer(self.rfile.read(struct.unpack("!H", head)[0]), True)
            if not reply:
                return
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


socketserver.ThreadingTCPServer.allow_reuse_address = True
place = ("127.0.0.1", int(sys.argv[1]))
servers = [socketserver.ThreadingUDPServer(place, Datagram), socketserver.ThreadingTCPServer(place, Stream)]
print("ready", flush=True)
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
