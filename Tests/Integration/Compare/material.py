"""What all conversations share: certificates made anew, and a name server."""
import os, ssl, subprocess

from peers import NameServer

NAMES = {
    ("1.0.0.127.in-addr.arpa", NameServer.PTR): ["client.test"], ("client.test", NameServer.A): ["127.0.0.1"],
    ("2.0.0.127.in-addr.arpa", NameServer.PTR): ["other.test"], ("other.test", NameServer.A): ["192.0.2.1"],
    ("4.0.0.127.in-addr.arpa", NameServer.PTR): 2,  # SERVFAIL
    ("5.0.0.127.in-addr.arpa", NameServer.PTR): ["nowhere.test"],
    ("6.0.0.127.in-addr.arpa", NameServer.PTR): ["broken.test"], ("broken.test", NameServer.A): 2,
    # A name that would be a header.
    ("7.0.0.127.in-addr.arpa", NameServer.PTR): ["evil\r\nauth-evil: 1.test"],
    ("evil\r\nauth-evil: 1.test", NameServer.A): ["127.0.0.7"],
}


class Material:
    def __init__(self, folder):
        self.folder = folder
        self.names = NameServer(NAMES)
        self.make("ca", "/CN=Test CA", "-addext", "basicConstraints=critical,CA:TRUE")
        self.make("relay", "/CN=relay.test", "-addext", "subjectAltName=DNS:relay.test")
        self.make("stranger", "/O=Nobody/CN=stranger.test")
        request = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=Example/CN=client.test"]
        self.run(request + ["-keyout", f"{folder}/good.key", "-out", f"{folder}/good.csr"])
        self.run([
            "openssl", "x509", "-req", "-in", f"{folder}/good.csr", "-CA", f"{folder}/ca.crt", "-CAkey",
            f"{folder}/ca.key", "-set_serial", "0x1a2b3c", "-days", "30", "-out", f"{folder}/good.crt"])
        for name in os.listdir(folder):
            os.chmod(f"{folder}/{name}", 0o644)

    def make(self, name, subject, *more):
        self.run([
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", subject,
            "-keyout", f"{self.folder}/{name}.key", "-out", f"{self.folder}/{name}.crt", *more])

    @staticmethod
    def run(command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr}")

    def client(self, certificate, alpn):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(f"{self.folder}/{certificate}.crt", f"{self.folder}/{certificate}.key")
        if alpn:
            context.set_alpn_protocols([alpn])
        return context
