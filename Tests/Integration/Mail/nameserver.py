#!/usr/bin/env python3
"""A DNS server for tests, over UDP and TCP: nameserver.py PORT NAME/TYPE=VALUE...

TYPE is PTR, A or AAAA. Of several VALUEs for one NAME/TYPE all are answered. A VALUE may also be
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

TYPES = {"A": 1, "PTR": 12, "AAAA": 28}
zone = {}
for argument in sys.argv[2:]:
    key, value = argument.split("=", 1)
    zone.setdefault(key.lower(), []).append(value)


def wire(labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def data(kind, value):
    if value.startswith("!label:"):
        label = value[len("!label:"):].encode("ascii").decode("unicode_escape").encode("latin-1")
        return wire([label, b"example"])
    if kind == "PTR":
        return wire([part.encode() for part in value.split(".")])
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
    values = zone.get(key.lower(), [])
    identifier, flags, records = question[:2], 0x8180, []
    for value in values:
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
            records += [bytes([10, 0, n >> 8 & 255, n & 255]) for n in range(int(value[6:]))]
        else:
            records.append(data(kind, value))
    if not values:
        flags = 0x8183
    if flags != 0x8180:
        records = []
    reply = identifier + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question[12:index + 5]
    for record in records:
        reply += b"\xc0\x0c" + struct.pack("!HHIH", number, 1, 60, len(record)) + record
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
