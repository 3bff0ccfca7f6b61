"""A broker for tests: python3 scripted_broker.py SOCKET SCRIPT, where SCRIPT is Python and says what it does.

It prints "ready" once it listens. No wait is longer than 20 s, and its life no longer than a minute.
"""

import array
import os
import signal
import socket
import sys

PATH = sys.argv[1]
ADDRESS = "127.0.9.10"


def listen():
    """Listens on PATH."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.settimeout(20)
    listener.bind(PATH)
    listener.listen()
    return listener


def tcp(address=ADDRESS):
    """A TCP listener on a port that was free."""
    made = socket.socket()
    made.bind((address, 0))
    made.listen()
    return made


def line(name, made):
    """What a grant says of a listener: NAME tcp ADDRESS:PORT."""
    return "%s tcp %s:%d" % ((name,) + made.getsockname())


def tell(*words):
    """Tells the test."""
    print(*words, flush=True)


class Client:
    """The next client that connects."""

    def __init__(self):
        self.socket = listener.accept()[0]
        self.socket.settimeout(20)

    def read(self):
        """The next request; empty at the end."""
        return self.socket.recv(65536).decode()

    def say(self, text, *sockets):
        """Sends a reply, with descriptors."""
        numbers = array.array("i", [made.fileno() for made in sockets])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if sockets else []
        self.socket.sendmsg([text.encode("latin-1")], rights)

    def reply(self, text, *sockets):
        """Reads a request, and sends a reply with its tag in place of TAG. Returns the request."""
        request = self.read()
        self.say(text.replace("TAG", request.split("\n")[0].split(" ")[-1]), *sockets)
        return request

    def hello(self, generation="0123456789abcdef"):
        """Answers HELLO."""
        request = self.reply("PB1 200 OK TAG\nversion=1\ngeneration=%s\nfeatures=exclusive wait\n" % generation)
        assert request.startswith("PB1 HELLO "), request
        return self

    def grant(self, *granted):
        """Answers the next request with listeners, each given as (NAME, SOCKET). Returns the request."""
        lines = ["fd.%d=%s\n" % (index, line(*pair)) for index, pair in enumerate(granted)]
        text = "PB1 200 OK TAG\nfds=%d\n" % len(granted) + "".join(lines)
        return self.reply(text, *[made for _, made in granted])


# (Who starts it may have every signal blocked.)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
signal.alarm(60)
listener = listen()
tell("ready")
exec(sys.argv[2])
