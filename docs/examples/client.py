"""Greets everybody who connects to the listener "hello", and holds its lease meanwhile."""

import sys

import postern

try:
    lease = postern.get(["hello"], wait=5)
except postern.PosternError as error:
    sys.exit(f"client.py: {error}")
with lease:
    for listener in lease.sockets["hello"]:
        print("listening on %s:%d" % listener.getsockname()[:2], flush=True)
    while True:
        connection, address = lease.sockets["hello"][0].accept()
        with connection:
            connection.sendall(b"hello\r\n")
