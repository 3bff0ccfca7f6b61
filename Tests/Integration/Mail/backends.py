"""The mail programs as backends; Postfix, Exim and OpenSMTPD as senders, too.

What comes to one by SMTP it stores; what is handed to its own sendmail it sends on, to the port that the domain names:
`p2601.test` is 127.0.0.1:2601.
"""
import os, re, subprocess, sys

import world
from messages import Store


class Backend:
    """A program that listens on `port` and stores what it receives."""

    utf8 = True  # (whether it announces SMTPUTF8)
    refusal = "nothing"  # (how its reply begins to a message that it does not like)
    not_by_sendmail = ()  # (cases that its own sendmail changes before it sends them on)

    def __init__(self, port):
        self.port, self.store = port, Store(self.name)
        self.start()

    def is_done(self):
        """Whether all that was received is stored."""
        return True

    def deliver(self):
        return f"{world.FOLDER}/deliver {self.store.folder}"


class Postfix(Backend):
    """Postfix 3.7: no bare line end is forbidden there unless it is told to."""

    name = "postfix"
    log = "/var/log/postfix.log"

    def __init__(self, port, ports=(9,)):
        self.ports = ports
        super().__init__(port)

    def start(self):
        configuration = world.folder("postfix")
        queue, data = world.folder("postfix-queue"), world.folder("postfix-data", owner="postfix", mode=0o700)
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            world.folder(f"postfix-queue/{name}", owner="postfix", mode=0o700)
        world.folder("postfix-queue/pid")
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            path = world.folder(f"postfix-queue/{name}")
            os.chown(path, world.USERS["postfix"], world.USERS["postdrop"])
            os.chmod(path, mode)
        world.write(
            configuration + "/main.cf", f"""\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file = {self.log}
myhostname = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtputf8_enable = yes
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = none
smtp_tls_security_level = none
message_size_limit = 100000000
mailbox_size_limit = 0
# A line of any length is sent as it is, not folded.
smtp_line_length_limit = 0
smtp_destination_recipient_limit = 1000
store_destination_recipient_limit = 1000
transport_maps = inline:{{{", ".join(f"p{port}.test=smtp:[127.0.0.1]:{port}" for port in self.ports)}}}
default_transport = discard
# One attempt, and nobody is told.
maximal_queue_lifetime = 0
notify_classes =
""")
        world.write(
            configuration + "/master.cf", f"""\
127.0.0.1:{self.port} inet n - n - - smtpd
    -o content_filter=store:
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
showq unix n - n - - showq
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
store unix - n n - 8 pipe
    flags= user=store null_sender= argv={self.deliver()} ${{sender}} ${{recipient}}
""")
        self.configuration = configuration
        self.program = world.Program("/usr/lib/postfix/sbin/master", "-c", configuration, "-d", port=self.port)

    def send(self, sender, recipients, path):
        with open(path, "rb") as file:
            world.run("/usr/sbin/sendmail", "-C", self.configuration, "-i", "-f", sender, "--", *recipients, stdin=file)

    def is_done(self):
        return world.run("/usr/sbin/postqueue", "-c", self.configuration, "-j").strip() == ""

    def failure(self, token):
        """What the log says of a message that was not delivered."""
        return logged(self.log, rf"to=<[^>]*{token}[^>]*>.* status=(?:bounced|deferred|undeliverable) (.*)")


class Exim(Backend):
    name = "exim"
    log = "/var/log/exim/main"

    def __init__(self, port, ports=(9,)):
        self.ports = ports
        super().__init__(port)

    def start(self):
        os.makedirs("/etc/exim4", exist_ok=True)
        world.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/etc/exim4")
        for path in ("/var/spool/exim4", "/var/log/exim"):
            os.mkdir(path)
            os.chown(path, world.USERS["Debian-exim"], world.USERS["Debian-exim"])
        # (Exim hands no program an argument that a sender chose; the environment has it.)
        script = world.write(
            world.FOLDER + "/deliver-exim", f'#!/bin/sh\nexec {self.deliver()} "$SENDER" "$@"\n', 0o755)
        hosts = "\n".join(f"    p{port}.test 127.0.0.1::{port} ; \\" for port in self.ports)
        self.configuration = world.write(
            "/etc/exim4/exim4.conf", f"""\
primary_hostname = exim.test
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim/%s
# (This Exim has no setuid bit: who receives delivers, too.)
deliver_drop_privilege
daemon_smtp_ports = {self.port}
local_interfaces = 127.0.0.1
host_lookup =
rfc1413_hosts =
dns_ipv4_lookup = *
tls_advertise_hosts =
pipelining_connect_advertise_hosts =
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
message_size_limit = 100M
keep_environment =
smtp_accept_max = 200
smtp_accept_queue = 0
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 100000
recipients_max = 1000
untrusted_set_sender = *
bounce_return_message = false
acl_smtp_rcpt = accept
acl_smtp_data = accept

begin acl
accept:
    accept

begin routers
received:
    driver = accept
    condition = ${{if match{{$received_protocol}}{{smtp}}}}
    transport = store
sent:
    driver = manualroute
    route_list = \\
{hosts}
        none.test 127.0.0.1::9
    self = send
    transport = send
dropped:
    driver = redirect
    data = :blackhole:
    allow_fail

begin transports
store:
    driver = pipe
    command = {script} $pipe_addresses
    user = Debian-exim
    batch_max = 1000
    message_prefix =
    message_suffix =
    return_fail_output
send:
    driver = smtp
    hosts_try_dane =
    hosts_avoid_tls = *
    dnssec_request_domains =
    max_rcpt = 1000
    # A line of any length is sent as it is: else Exim 4.96 refuses one of more than 998.
    message_linelength_limit = 1000000

begin retry
begin rewrite
""")
        self.program = world.Program("/usr/sbin/exim4", "-bdf", "-q1h", port=self.port)

    def send(self, sender, recipients, path):
        with open(path, "rb") as file:
            world.run("/usr/sbin/exim4", "-odb", "-i", "-f", sender, "--", *recipients, stdin=file)

    def is_done(self):
        return world.run("/usr/sbin/exim4", "-bpc").strip() == "0"

    def failure(self, token):
        return logged(self.log, rf" (?:\*\*|==) \S*{token}\S* (.*)")


class OpenSMTPD(Backend):
    name = "opensmtpd"
    utf8 = False
    refusal = "550 5.7.1 Delivery not authorized, message refused: Message is not RFC 2822 compliant"
    # Its sendmail makes long lines quoted-printable.
    not_by_sendmail = ("998", "8000")

    def __init__(self, port, ports=(9,)):
        self.ports = ports
        super().__init__(port)

    def start(self):
        sends = "\n".join(f'action "p{p}" relay host smtp+notls://127.0.0.1:{p}' for p in self.ports)
        matches = "\n".join(f'match from any for domain "p{p}.test" action "p{p}"' for p in self.ports)
        configuration = world.write(
            world.folder("opensmtpd") + "/smtpd.conf", f"""\
smtp max-message-size "100M"
smtp limit max-rcpt 1000
mta max-deferred 100
queue ttl 1m
table everybody {{ "@" = "store" }}
listen on socket
listen on 127.0.0.1 port {self.port} hostname opensmtpd.test tag RECEIVED
listen on 127.0.0.1 port {self.port + 200} hostname opensmtpd.test
action "store" mda "{self.deliver()} '%{{sender}}' '%{{rcpt}}'" virtual <everybody>
{sends}
action "drop" mda "cat >/dev/null" virtual <everybody>
match tag RECEIVED from any for any action "store"
{matches}
match from any for any action "drop"
""")
        self.program = world.Program("/usr/sbin/smtpd", "-F", "-f", configuration, port=self.port)

    def send(self, sender, recipients, path):
        with open(path, "rb") as file:
            world.run(
                "sendmail", "-f", sender, "--", *recipients, stdin=file, executable="/usr/sbin/smtpctl",
                group="opensmtpq")

    def is_done(self):
        return world.run("smtpctl", "show", "queue", executable="/usr/sbin/smtpctl", group="opensmtpq").strip() == ""

    def failure(self, token):
        return logged(self.program.path, rf"to=<[^>]*{token}.* result=\"?(?:PermFail|TempFail)\"? (.*)")


AIOSMTPD = r"""import asyncio, inspect, os, sys
import aiosmtpd.smtp as module

folder, port = sys.argv[1], int(sys.argv[2])
if "unpatched" in sys.argv:
    # As it was before CVE-2024-27305, which Debian's has the patch for: LF ends a line.
    source = inspect.getsource(module)
    for new, old in ("readuntil(b'\\r\\n')", "readuntil()"), ("endswith(b'\\r\\n')", "endswith(b'\\n')"):
        assert new in source
        source = source.replace(new, old)
    exec(compile(source, module.__file__, "exec"), module.__dict__)
SMTP = module.SMTP
SMTP.line_length_limit = 1 << 20  # (else it refuses a line of more than 1,001 octets)
number = 0

class Handler:
    async def handle_DATA(self, server, session, envelope):
        global number
        number += 1
        with open(f"{folder}/{number}.content", "wb") as file:
            file.write(envelope.original_content)
        with open(f"{folder}/{number}.part", "wb") as file:
            for value in [envelope.mail_from, *envelope.rcpt_tos]:
                file.write(value.encode(errors="surrogateescape") + b"\0")
        os.rename(f"{folder}/{number}.part", f"{folder}/{number}.envelope")
        return "250 2.0.0 taken"

async def main():
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(
        Handler(), data_size_limit=None, enable_SMTPUTF8=True, hostname="aiosmtpd.test", loop=loop)
    server = await loop.create_server(make, "127.0.0.1", port)
    await server.serve_forever()

asyncio.run(main())
"""


class Aiosmtpd(Backend):
    name = "aiosmtpd"
    options = []

    def start(self):
        path = world.write(world.FOLDER + "/app.py", AIOSMTPD)
        self.store.take = self.take
        self.program = world.Program(
            "/usr/bin/python3", path, self.store.folder, str(self.port), *self.options, port=self.port, user=world.USERS["store"])

    def take(self, path):
        """As the store does, but line ends are as they were on the wire."""
        if not path.endswith(".envelope"):
            return None
        with open(path, "rb") as file:
            sender, *recipients = [value.decode(errors="surrogateescape") for value in file.read().split(b"\0")[:-1]]
        with open(path.removesuffix("envelope") + "content", "rb") as file:
            data = file.read()
        os.unlink(path)
        os.unlink(path.removesuffix("envelope") + "content")
        return sender, recipients, data


class UnpatchedAiosmtpd(Aiosmtpd):
    name = "unpatched aiosmtpd"
    options = ["unpatched"]


class SMTPSink(Backend):
    name = "smtp-sink"
    utf8 = False

    def start(self):
        self.store.take = self.take
        self.program = world.Program(
            "/usr/sbin/smtp-sink", "-u", "store", "-d", self.store.folder + "/dump.", f"127.0.0.1:{self.port}", "100",
            port=self.port)

    def take(self, path):
        """The message in a dump that smtp-sink has closed."""
        fds = f"/proc/{self.program.process.pid}/fd"
        with open(path, "rb") as file:
            for fd in os.listdir(fds):
                try:
                    if os.readlink(f"{fds}/{fd}") == path:
                        return None
                except FileNotFoundError:
                    pass
            data = file.read()
        os.unlink(path)
        # (Its own header stands first, an empty line of its own last.)
        head = data[:data.index(b"\nReceived: ")].decode(errors="surrogateescape")
        sender = re.search(r"^X-Mail-Args: <(.*?)>", head, re.M)
        recipients = re.findall(r"^X-Rcpt-Args: <(.*?)>", head, re.M)
        world.expect(data.endswith(b"\n\n"), f"smtp-sink's dump ends in {data[-20:]}")
        return sender and sender.group(1), recipients, data[:-1].replace(b"\n", b"\r\n")


def logged(path, pattern):
    """The first group of the first line of a log that matches."""
    with open(path, errors="replace") as file:
        found = re.search(pattern, file.read())
    return found and found.group(1)
