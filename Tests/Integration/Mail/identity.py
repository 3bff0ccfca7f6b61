"""Who the client is, told through the relay: Postfix reads XCLIENT, XFORWARD and PROXY headers, HAProxy writes the last.

Prints, for each way, the lines in which the real program's log shows the real client's address.
"""
import os, re, smtplib, socket

import world
from backends import Postfix

CLIENT = "127.0.0.42"  # (an address that neither the relay nor a proxy connects from)


class Keeping(Postfix):
    """Postfix whose messages are kept with their trace fields, which the store of other trials takes off."""

    def __init__(self):
        self.kept = world.folder("kept")
        os.chmod(self.kept, 0o777)
        super().__init__(2550)

    def deliver(self):
        return f"{world.FOLDER}/deliver {self.kept}"

    def arrived(self, token):
        """The message to the token, once it is there."""

        def found():
            for name in os.listdir(self.kept):
                path = f"{self.kept}/{name}"
                if name.endswith(".envelope") and f"\0{token}@" in open(path, errors="replace").read():
                    return path.removesuffix("envelope") + "content"

        path = world.until(found, lambda: f"{token} did not arrive: {self.logs()}", 60)
        with open(path, errors="replace") as file:
            return file.read()

    def logs(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""


class Knowing(Keeping):
    """With a service for each way of being told: ports 2551 to 2554."""

    def start(self):
        super().start()
        with open(self.configuration + "/main.cf", "a") as file:
            file.write("""\
postscreen_upstream_proxy_protocol = haproxy
postscreen_greet_action = ignore
postscreen_access_list = permit_mynetworks
postscreen_cache_map =
""")
        with open(self.configuration + "/master.cf", "a") as file:
            file.write(f"""\
127.0.0.1:2551 inet n - n - - smtpd
    -o syslog_name=postfix/xclient
    -o smtpd_authorized_xclient_hosts=127.0.0.1
    -o content_filter=store:
127.0.0.1:2552 inet n - n - - smtpd
    -o syslog_name=postfix/xforward
    -o smtpd_authorized_xforward_hosts=127.0.0.1
    -o content_filter=store:
127.0.0.1:2553 inet n - n - - smtpd
    -o syslog_name=postfix/proxy
    -o smtpd_upstream_proxy_protocol=haproxy
    -o content_filter=store:
127.0.0.1:2554 inet n - n - 1 postscreen
    -o syslog_name=postfix/screened
smtpd pass - - n - - smtpd
    -o syslog_name=postfix/screened
    -o content_filter=store:
""")
        world.run("/usr/sbin/postconf", "-c", self.configuration, "mail_version")
        self.program.process.send_signal(1)
        for port in (2551, 2552, 2553, 2554):
            world.until(lambda: self.program.check() and world.listens(port), lambda: f"postfix: {self.logs()}")


class Relay(world.Program):
    """A relay in front of one port of Postfix's. `listener` is what relay.yaml says of its listener."""

    def __init__(self, name, port, destination, listener=None, more=""):
        home = world.folder(f"relay-{name}")
        os.chown(home, 62525, 62525)
        listener = listener or f'{{address: "127.0.0.1:{port}"}}'
        path = world.write(
            home + "/relay.yaml",
            f"""\
server: {{name: relay.test}}
listeners: [{listener.replace("HOME", home)}]
routes:
  - recipients: "*"
    backends: ["127.0.0.1:{destination[0]}"]
    identity: {destination[1]}
{more}
""")
        self.home = home
        super().__init__(world.POSTERN, "relay", "--config", path, port=port, user=62525)


def deliver(port, token, source=CLIENT):
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=60, source_address=(source, 0)) as client:
        client.sendmail("sender@client.test", [f"{token}@p9.test"], f"Subject: {token}\r\n\r\n{token}\r\n")


def postfix():
    backend = Knowing()
    ways = [
        ("xclient", 2551, "xclient", rf"postfix/xclient\S*: \w+: client=\S*\[{CLIENT}\]"),
        ("xforward", 2552, "xforward", rf"postfix/xforward\S*: \w+: client=\S*\[127\.0\.0\.1\], (?:\S+, )?orig_client=\S*\[{CLIENT}\]"),
        ("proxy1", 2553, "proxy-v1", rf"postfix/proxy\S*: \w+: client=\S*\[{CLIENT}\]"),
        ("proxy2", 2553, "proxy-v2", rf"postfix/proxy\S*: \w+: client=\S*\[{CLIENT}\]"),
        ("screened1", 2554, "proxy-v1", rf"postfix/screened\S*: \w+: client=\S*\[{CLIENT}\]"),
        ("screened2", 2554, "proxy-v2", rf"postfix/screened\S*: CONNECT from \[{CLIENT}\]"),
    ]
    for index, (token, port, identity, pattern) in enumerate(ways):
        before = len(backend.logs())
        Relay(token, 2561 + index, (port, identity))
        deliver(2561 + index, token)
        content = backend.arrived(token)
        # (Of this message alone: several ways lead to one service.)
        line = world.until(
            lambda: re.search(rf"^.*{pattern}.*$", backend.logs()[before:], re.M),
            lambda: f"{identity}: no {pattern} in {backend.logs()[before:]}").group(0)
        print(f"identity {identity} -> {port}: {line[line.index('postfix/'):]}", flush=True)
        received = content.count("Received: ")
        world.expect(received == (2 if identity == "xforward" else 1), f"{identity}: {received} Received fields: {content}")
        if identity != "xforward":
            # (A PROXY header has no name in it: EHLO is the relay's then, which is marked by the case of its letters.)
            name = "client.test" if identity == "xclient" else "relay.test"
            world.expect(f"from {name} (" in content.lower() and f"[{CLIENT}]" in content, f"{identity}: {content}")
    haproxy(backend)


def haproxy(backend):
    """client -> HAProxy -> relay -> Postfix by XCLIENT."""
    for index, word in enumerate(["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]):
        port, front, token = 2571 + index, 2581 + index, f"haproxy{index}"
        Relay(
            token, port, (2551, "xclient"), f'{{address: "127.0.0.1:{port}", proxy-protocol: on}}',
            'proxies: [127.0.0.1]')
        path = world.write(
            f"{world.FOLDER}/haproxy-{index}.cfg", f"""\
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{front}
    unique-id-format %{{+X}}o\\ %ci
    default_backend relay
backend relay
    server relay 127.0.0.1:{port} {word} check inter 200ms
""")
        before = len(backend.logs())
        world.Program("/usr/sbin/haproxy", "-db", "-f", path, port=front)
        deliver(front, token)
        backend.arrived(token)
        line = world.until(
            lambda: re.search(rf"^.*postfix/xclient\S*: \w+: client=\S*\[{CLIENT}\].*$", backend.logs()[before:], re.M),
            lambda: f"haproxy {word}: {backend.logs()[before:]}").group(0)
        print(f"identity haproxy {word} -> xclient: {line[line.index('postfix/'):]}", flush=True)


def unix():
    backend = Keeping()
    home = world.folder("sockets", mode=0o777)
    os.chmod(home, 0o777)
    path = home + "/smtp.sock"
    # (In this order: once the port is there, so is the socket, and where the socket cannot be, nor is the port.)
    listener = f'{{address: "unix:{path}", mode: "0606"}}, {{address: "127.0.0.1:2590"}}'

    def greets():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(path)
            return client.recv(1000)

    first = Relay("first", 2590, (2550, "none"), listener)
    world.until(lambda: os.path.exists(path), "no socket")
    world.expect(os.stat(path).st_mode & 0o777 == 0o606, f"mode {os.stat(path).st_mode:o}")
    world.expect(greets().startswith(b"220 relay.test "), "no greeting")

    class Client(smtplib.SMTP):
        def _get_socket(self, host, port, timeout):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(60)
            client.connect(path)
            return client

    with Client("unix", 25, local_hostname="client.test") as client:
        client.sendmail("sender@client.test", ["unix@p9.test"], "Subject: unix\r\n\r\nunix\r\n")
    content = backend.arrived("unix")
    world.expect("Received: from client.test (unknown)" in content, content)
    print("unix: a message came through the socket", flush=True)

    # One that is in use stays who it is.
    try:
        Relay("second", 2591, (2550, "none"), listener.replace("2590", "2591"))
        raise world.Failed("a socket in use was taken")
    except world.Failed as failure:
        world.expect("somebody listens there already" in str(failure), str(failure))
    world.expect(greets().startswith(b"220 "), "the first was disturbed")
    world.running[:] = [program for program in world.running if program.process.poll() is None]
    # One that a relay left behind, however it ended, is replaced.
    first.stop()
    world.expect(os.path.exists(path), "the socket went with the relay")
    third = Relay("third", 2590, (2550, "none"), listener)
    world.until(lambda: third.check() and greets().startswith(b"220 "), "no greeting of the third")
    # What is no socket stays.
    third.stop()
    os.unlink(path)
    world.write(path, "somebody's file")
    try:
        Relay("fourth", 2590, (2550, "none"), listener)
        raise world.Failed("a file was taken for a socket")
    except world.Failed as failure:
        world.expect("something that is no socket is there" in str(failure), str(failure))
    with open(path) as file:
        world.expect(file.read() == "somebody's file", "the file is gone")
    world.running[:] = [program for program in world.running if program.process.poll() is None]
    print("unix: in use, left behind, and no socket at all: each as it should be", flush=True)


if __name__ == "__main__":
    world.main({"postfix": postfix, "unix": unix})
