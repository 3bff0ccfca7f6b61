"""The two that are compared, each with an auth server and a backend of its own: nginx, and the relay.

Both come from the same directives of nginx. The relay's file is made of them by `postern import`, or, where there is no
such command or COMPARE_CONFIGURATION=hand says so, by `by_hand`.
"""
import itertools, os, re, signal, socket, subprocess, time

from peers import AuthServer, Backend

POSTERN = os.environ.get("POSTERN_BIN", "") + "/postern"
PEERS = os.environ.get("POSTERN_PEERS", "")
SERVED = ["PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8", "DSN", "LIMITS"]
# Directives that stand in mail{}, before those of the server.
LISTEN = {"listen-parameters"}


class Refused(Exception):
    """The configuration is not taken."""


PORTS = itertools.count(10000)


def free_port():
    """A port that nobody else gets: below those that the system gives out, in a network of our own."""
    return next(PORTS)


class Site:
    """One of the two, running; a conversation at a time."""

    def __init__(self, directives, folder, material):
        self.folder, self.material = folder, material
        self.auth, self.backend = AuthServer(), Backend()
        self.port, self.closed = free_port(), free_port()
        self.values = {
            "auth": self.auth.port, "backend": self.backend.port, "closed": self.closed, "self": self.port,
            "folder": material.folder, "dns": material.names.port, "mute": material.names.mute.getsockname()[1],
        }
        directives = dict(directives)
        if "starttls" in directives or "ssl" in directives.get("listen-parameters", "").split():
            directives.setdefault("ssl_certificate", "{folder}/relay.crt")
            directives.setdefault("ssl_certificate_key", "{folder}/relay.key")
            # (nginx 1.22 has no TLS 1.3 unless it is told.)
            directives.setdefault("ssl_protocols", "TLSv1.2 TLSv1.3")
        if directives.get("ssl_verify_client", "off") != "off":
            directives.setdefault("ssl_client_certificate", "{folder}/ca.crt")
        self.directives = {name: self.filled(value) for name, value in directives.items()}
        self.process = None

    def filled(self, text):
        return re.sub(r"\{(\w+)\}", lambda match: str(self.values.get(match[1], match[0])), text)

    def nginx_conf(self):
        listen = self.directives.get("listen-parameters", "")
        headers = [f"auth_http_header {part};" for part in self.directives.get("auth_http_header", "").split(" ; ") if part]
        plain = {"listen-parameters", "auth_http_header", "auth_http"}
        lines = [f"{name} {value};" for name, value in self.directives.items() if name not in plain] + headers
        auth = self.directives.get("auth_http", f"http://127.0.0.1:{self.auth.port}/mail/auth")
        body = "\n        ".join(lines)
        return f"""\
load_module {PEERS}/root/usr/lib/nginx/modules/ngx_mail_module.so;
daemon off; worker_processes 1; user postern-app postern-app; pid {self.folder}/nginx.pid; error_log stderr info;
events {{ worker_connections 256; }}
mail {{
    server_name relay.test;
    auth_http {auth};
    server {{
        listen 127.0.0.1:{self.port} {listen};
        protocol smtp;
        {body}
    }}
}}
"""

    def start(self, command, environment=None):
        self.log = open(f"{self.folder}/log", "wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd="/", env=environment)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                # (Binding it tells that nobody listens, and leaves no trace in a log.)
                try:
                    probe.bind(("127.0.0.1", self.port))
                except OSError:
                    return
            time.sleep(0.02)
        raise Refused(f"{command[0]} does not listen: {self.said()}")

    def said(self):
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL if self.process.poll() is None else 0)
            self.process.wait()
            self.log.close()
        self.auth.listener.close()
        self.backend.listener.close()

    def write(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


class Nginx(Site):
    name = "nginx"

    def launch(self):
        path = self.write("nginx.conf", self.nginx_conf())
        self.start([f"{PEERS}/bin/nginx", "-e", "stderr", "-p", self.folder, "-c", path])

    def stop(self):
        # The master process takes its worker along.
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        super().stop()


class Relay(Site):
    name = "postern"
    source = "hand"

    def launch(self):
        if self.source == "import":
            nginx = self.write("nginx.conf", self.nginx_conf())
            done = subprocess.run(
                [POSTERN, "import", nginx, "--output", f"{self.folder}/relay.yaml"], capture_output=True, text=True,
                timeout=60, check=False)
            if done.returncode != 0:
                raise Refused(f"import: {done.stderr.strip()}")
            path = f"{self.folder}/relay.yaml"
            with open(path, encoding="utf-8") as file:
                text = file.read()
        else:
            text = by_hand(self)
        path = self.write("relay.yaml", without_pool(text))
        os.chmod(path, 0o644)
        checked = subprocess.run([POSTERN, "check", "--config", path], capture_output=True, text=True, timeout=60, check=False)
        if checked.returncode != 0:
            raise Refused("\n      ".join(line.rpartition("/")[2] for line in checked.stderr.splitlines()))
        as_relay = ["setpriv", "--reuid", "postern", "--regid", "postern", "--clear-groups", "--"]
        self.start(as_relay + [POSTERN, "relay", "--config", path], {**os.environ, "POSTERN_EVENT_LOOPS": "1"})


def without_pool(text):
    """relay.yaml with a connection to the backend for each session, as nginx has it: a conversation is over, and its
    backend has heard all of it, when that is closed. (What the import does not say is D84.)"""
    return re.sub(r"^lookup:$", "lookup:\n  pool: off", text, flags=re.M)


def import_is_here():
    if os.environ.get("COMPARE_CONFIGURATION") == "hand":
        return False
    done = subprocess.run([POSTERN, "--help"], capture_output=True, text=True, timeout=60, check=False)
    return re.search(r"^ +import\b", done.stdout, re.M) is not None


def has_more_lookups(folder):
    """Whether this build has lookups with host names in their answers: those that have https, too."""
    path = f"{folder}/probe.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write("listeners: [{address: 127.0.0.1:2525}]\nlookup: {url: 'https://127.0.0.1/mail/auth'}\n")
    os.chmod(path, 0o644)
    return subprocess.run([POSTERN, "check", "--config", path], capture_output=True, timeout=60, check=False).returncode == 0


def by_hand(site):
    """The relay.yaml that stands in for nginx's directives."""
    has = site.directives
    listen = has.get("listen-parameters", "").split()
    listener = [f"address: 127.0.0.1:{site.port}", "hello: optional", "pipelining: tolerant"]
    if "smtp_capabilities" in has:
        words = [word.strip('"').split()[0] for word in re.findall(r'"[^"]*"|\S+', has["smtp_capabilities"])]
        listener.append(f"ehlo: [{', '.join(word for word in words if word in SERVED)}]")
    mechanisms = has.get("smtp_auth", "plain login").split()
    if mechanisms != ["none"]:
        listener.append(f"auth: [{', '.join(mechanisms)}]")
    tls = {"on": "starttls", "only": "required"}.get(has.get("starttls"), "implicit" if "ssl" in listen else None)
    if tls:
        listener.append(f"tls: {tls}")
    if "ssl_verify_client" in has:
        listener.append(f"client-certificates: {has['ssl_verify_client'].replace('_', '-')}")
    if "proxy_protocol" in listen:
        listener.append("proxy-protocol: on")
    if "smtp_greeting_delay" in has:
        listener.append(f"greeting-delay: {has['smtp_greeting_delay']}")
    lookup = [f"url: {has.get('auth_http', f'http://127.0.0.1:{site.auth.port}/mail/auth')}"]
    lookup.append(f"timeout: {has.get('auth_http_timeout', '60s')}")
    if "auth_http_header" in has:
        lookup.append("headers:")
        for part in has["auth_http_header"].split(" ; "):
            name, _, value = part.partition(" ")
            value = value.strip('"')
            lookup.append(f"  {name}: \"{value}\"")
    if has.get("auth_http_pass_client_cert") == "on":
        lookup.append("pass-client-certificate: on")
    if has.get("xclient", "on") == "on":
        lookup.append("identity: xclient")
    elif has.get("proxy_protocol") == "on":
        lookup.append("identity: proxy-v1")
    if has.get("proxy_smtp_auth") == "on":
        lookup.append("auth: login-of-client")
    if has.get("proxy_pass_error_message") == "on":
        lookup.append("message: {replies: pass}")
    timeout = has.get("timeout", "60s")
    lines = ["server:", "  name: relay.test", "listeners:", "  - " + "\n    ".join(listener), "lookup:"]
    lines += ["  " + line for line in lookup]
    size = re.search(r'"SIZE (\d+)"', has.get("smtp_capabilities", ""))
    lines += ["limits:", f"  message-size: {size[1] if size else 0}", f"  errors: {has.get('max_errors', '5')}"]
    lines += ["timeouts:"] + [
        f"  {name}: {timeout}" for name in ("command", "connect", "greeting", "backend-command")]
    if tls:
        lines.append(f"  handshake: {timeout}")
        lines += [
            "tls:", "  certificates:", f"    - certificate: {site.material.folder}/relay.crt",
            f"      key: {site.material.folder}/relay.key"]
        if "ssl_client_certificate" in has:
            lines.append(f"  client-ca: {has['ssl_client_certificate']}")
    if "resolver" in has:
        lines += ["resolver:", f"  servers: [{has['resolver'].split()[0]}]"]
        if "resolver_timeout" in has:
            lines.append(f"  timeout: {has['resolver_timeout']}")
    if "set_real_ip_from" in has:
        lines.append(f"proxies: [{has['set_real_ip_from']}]")
    return "\n".join(lines) + "\n"
