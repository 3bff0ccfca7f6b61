"""Who is measured: each as its documentation sets it up, with one worker, event loop or thread."""

import os
import resource
import subprocess

from machine import BIN, WORLD, Daemon, write

TITLES = {
    "direct": "no proxy",
    "nginx": "nginx mail",
    "nginx-64k": "nginx mail, all buffers 64 KB",
    "nginx-stream": "nginx stream",
    "haproxy": "HAProxy tcp",
    "postfix": "Postfix, smtpd_proxy_filter",
    "postern": "Postern, route table",
    "postern-lookup": "Postern, auth_http",
    "nginx-starttls": "nginx mail, STARTTLS",
    "postern-starttls": "Postern, auth_http, STARTTLS",
    "nginx-tls": "nginx mail, implicit TLS",
    "postern-tls": "Postern, implicit TLS",
    "nginx-auth": "nginx mail, AUTH, XCLIENT",
    "postern-auth": "Postern, auth_http, AUTH, XCLIENT",
}
PORTS = {name: 9020 + index for index, name in enumerate(TITLES)} | {"direct": 2525}
# (what the load has to say to them)
OPTIONS = {"starttls": ["-t", "starttls"], "tls": ["-t", "implicit"], "auth": ["-a", "jane:correct horse"]}

# The article's mail section; so_keepalive is no directive any more and is left out.
NGINX_MAIL = """
load_module {peers}/root/usr/lib/nginx/modules/ngx_mail_module.so;
daemon off; worker_processes 1; user postern-app postern-app; pid {world}/{name}.pid; error_log stderr error; {more}
events {{ worker_connections {connections}; }}
mail {{
    auth_http http://127.0.0.1/mail/auth;
    proxy_pass_error_message on;
    server {{
        listen     {port} backlog=4096 {listen};
        protocol   smtp;
        timeout    {timeout};
        proxy      on;
        xclient    {xclient};
        smtp_auth  {auth};
        {server}
    }}
}}
"""

NGINX_STREAM = """
load_module {peers}/root/usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 1; user postern-app postern-app; pid {world}/{name}.pid; error_log stderr error; {more}
events {{ worker_connections {connections}; }}
stream {{ server {{ listen {port} backlog=4096; proxy_pass 127.0.0.1:2525; }} }}
"""

# The article's location, as published.
NGINX_LOOKUP = """
daemon off; worker_processes 1; user postern-app postern-app; pid {world}/lookup.pid; error_log stderr error;
events {{ worker_connections 32768; }}
http {{
    access_log off;
    client_body_temp_path {world}/lookup-body; proxy_temp_path {world}/lookup-proxy;
    fastcgi_temp_path {world}/lookup-fastcgi; uwsgi_temp_path {world}/lookup-uwsgi; scgi_temp_path {world}/lookup-scgi;
    server {{
        listen 127.0.0.1:80 backlog=4096;
        location = /mail/auth {{
            set $reply ERROR;
            if ($http_auth_smtp_to ~ flxw.de) {{
                set $reply OK;
            }}
            add_header Auth-Status OK;
            add_header Auth-Server 127.0.0.1;
            add_header Auth-Port 2525;
            add_header Auth-Wait 1;
            return 204;
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn {sessions}
defaults
    mode tcp
    timeout connect 30s
    timeout client 5m
    timeout server 5m
listen smtp
    bind 127.0.0.1:{port} backlog 4096
    server backend 127.0.0.1:2525
"""

POSTERN = """
server: {{name: mail.flxw.de}}
listeners: [{{address: "127.0.0.1:{port}"{listener}}}]
{tls}
{routing}
limits: {{connections: 32768}}
admin: {{socket: "{world}/admin/{name}.sock"}}
"""
TABLE = 'routes:\n  - recipients: [flxw.de]\n    backends: ["127.0.0.1:2525"]'
LOOKUP = 'lookup: {url: "http://127.0.0.1/mail/auth"}'
LOOKUP_XCLIENT = 'lookup: {url: "http://127.0.0.1/mail/auth", identity: xclient}'

POSTFIX = """
compatibility_level = 3.6
queue_directory = {world}/postfix-queue
data_directory = {world}/postfix-data
maillog_file = /dev/null
maillog_file_prefixes = /dev
myhostname = mail.flxw.de
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = none
message_size_limit = 0
mailbox_size_limit = 0
max_use = 1000000
default_process_limit = 600
smtpd_proxy_filter = 127.0.0.1:2525
"""
POSTFIX_PROGRAMS = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Contender:
    """A name, a port, what smtp-load has to be told, and, while it runs, its daemon."""

    def __init__(self, name):
        kind = name.rpartition("-")[2]
        self.name, self.title, self.port = name, TITLES[name], PORTS[name]
        self.options, self.daemon = OPTIONS.get(kind, []), None

    def start(self, peers, **settings):
        if self.name != "direct":
            self.daemon = command_of(self.name, self.port, peers, **settings)()

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None


def most_sessions():
    """That a relay can hold with its files: a session is two connections."""
    return min(32768, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 500)


def certificate():
    """A certificate of this run's own, P-256, which all contenders with TLS show."""
    if not os.path.exists(f"{WORLD}/tls.pem"):
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout",
             f"{WORLD}/tls.key", "-out", f"{WORLD}/tls.pem", "-subj", "/CN=mail.example", "-days", "2"],
            check=True, capture_output=True)
        os.chmod(f"{WORLD}/tls.key", 0o644)
    return f"{WORLD}/tls.pem", f"{WORLD}/tls.key"


def nginx(name, port, peers, template=NGINX_MAIL, server="", listen="", auth="none", xclient="off", timeout="5s", more="",
          connections=4096):
    config = write(f"{name}.conf", template.format(
        name=name, port=port, peers=peers, world=WORLD, server=server, listen=listen, auth=auth, xclient=xclient,
        timeout=timeout, more=more, connections=connections))
    return ["nginx", "-e", "stderr", "-p", WORLD, "-c", config], {}


def postern_command(name, port, routing, listener="", tls=""):
    config = write(f"{name}.yaml", POSTERN.format(
        name=name, port=port, world=WORLD, routing=routing, listener=listener, tls=tls))
    identity = ["setpriv", "--reuid", "postern", "--regid", "postern", "--init-groups"]
    return identity + [f"{BIN}/postern", "relay", "--config", config], {"POSTERN_EVENT_LOOPS": "1"}


def postern(name, port, routing, listener="", tls=""):
    command, environment = postern_command(name, port, routing, listener, tls)
    return Daemon(name, command, port, environment)


def postfix(port, peers):
    """Postfix knows its parts by absolute paths and its users by name: this world gets both."""
    users = {"postfix": 62540, "postdrop": 62541}
    with open("/etc/passwd") as file:
        known = file.read()
    for name, number in users.items():
        if f"\n{name}:" not in known:
            for path, line in (("passwd", f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"),
                               ("group", f"{name}:x:{number}:\n")):
                with open(f"/etc/{path}", "a") as file:
                    file.write(line)
    if not os.path.exists("/usr/lib/postfix/sbin/master"):
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={peers}/root/usr:/usr", "/usr"], check=True)
    queue = f"{WORLD}/postfix-queue"
    owners = {name: (users["postfix"], -1, 0o700) for name in
              "active bounce corrupt defer deferred flush hold incoming private saved trace".split()}
    owners |= {"pid": (0, -1, 0o755), "maildrop": (users["postfix"], users["postdrop"], 0o730),
               "public": (users["postfix"], users["postdrop"], 0o710)}
    os.makedirs(f"{WORLD}/postfix-data", 0o700, exist_ok=True)
    os.chown(f"{WORLD}/postfix-data", users["postfix"], -1)
    for name, (user, group, mode) in owners.items():
        os.makedirs(f"{queue}/{name}", exist_ok=True)
        os.chown(f"{queue}/{name}", user, group)
        os.chmod(f"{queue}/{name}", mode)
    os.makedirs(f"{WORLD}/postfix", exist_ok=True)
    write("postfix/main.cf", POSTFIX.format(world=WORLD))
    write("postfix/master.cf", POSTFIX_PROGRAMS.format(port=port))
    return ["/usr/lib/postfix/sbin/master", "-c", f"{WORLD}/postfix", "-d"], {}


def arguments_of(name, port, peers, single=False, timeout="5s", connections=4096):
    """The command and environment of a contender. `single`: nginx without a master, for a profiler."""
    more = "master_process off;" if single else ""
    if name in ("nginx-starttls", "postern-starttls", "nginx-tls", "postern-tls"):
        pem, key = certificate()
        serves = f"ssl_certificate {pem}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;"
        tls = f"tls: {{certificates: [{{certificate: {pem}, key: {key}}}]}}"
    routing = LOOKUP if name in ("postern-lookup", "postern-starttls") else TABLE
    match name:
        case "nginx":
            return nginx(name, port, peers, timeout=timeout, more=more, connections=connections)
        case "nginx-64k":
            return nginx(name, port, peers, server="smtp_client_buffer 64k; proxy_buffer 64k;", more=more)
        case "nginx-stream":
            return nginx(name, port, peers, NGINX_STREAM, more=more)
        case "nginx-starttls":
            return nginx(name, port, peers, server=f"starttls on; {serves}", more=more)
        case "nginx-tls":
            return nginx(name, port, peers, server=serves, listen="ssl", more=more)
        case "nginx-auth":
            return nginx(name, port, peers, auth="plain", xclient="on", more=more)
        case "haproxy":
            return ["haproxy", "-db", "-f", write("haproxy.cfg", HAPROXY.format(port=port, sessions=most_sessions()))], {}
        case "postfix":
            return postfix(port, peers)
        case "postern" | "postern-lookup":
            return postern_command(name, port, routing)
        case "postern-starttls":
            return postern_command(name, port, routing, ", tls: starttls", tls)
        case "postern-tls":
            return postern_command(name, port, routing, ", tls: implicit", tls)
        case "postern-auth":
            return postern_command(name, port, LOOKUP_XCLIENT, ", auth: [plain]")
    raise ValueError(name)


def command_of(name, port, peers, **settings):
    command, environment = arguments_of(name, port, peers, **settings)
    return lambda: Daemon(name, command, port, environment)


def lookup_server():
    config = write("lookup.conf", NGINX_LOOKUP.format(world=WORLD))
    return Daemon("lookup", ["nginx", "-e", "stderr", "-p", WORLD, "-c", config], 80)
