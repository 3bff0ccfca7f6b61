# The relay's admin socket, and postern-admin as a service of its own.
. "$SCRIPTS/machine.sh"
install_postern
configure_relay flxw.de
echo 'admin: {socket: /run/postern-relay/admin.sock, allow: [postern-admin]}' >>/etc/postern/relay.yaml

asked() { # RECIPIENT: the answer's headers
    python3 -Ic '
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8025, timeout=20)
connection.request("GET", "/mail/auth", headers={"Auth-Method": "none", "Auth-SMTP-To": "RCPT TO:<" + sys.argv[1] + ">"})
answer = connection.getresponse()
print(answer.status, {name: value for name, value in answer.getheaders() if name.lower().startswith("auth-")})' "$1"
}
answers() { asked "$1" | tee /dev/stderr | grep -qF -- "$2"; }             # RECIPIENT TEXT

check "the configuration is right" postern check
check "the relay and its socket are started" systemctl start postern-relay-smtp.socket postern-relay.service
check "the admin program is started" systemctl start postern-admin.service
check "it listens" eventually listens 8025
check "no thread of it is root's, has a capability or may get one" is_unprivileged postern-admin.service postern-admin
check "a recipient of the relay's is answered with its backend" answers user@flxw.de "'Auth-Port': '2525'"
check "one of nobody's with the refusal" answers user@elsewhere.example "'Auth-Error-Code': '550 5.7.1'"
check "the relay is stopped" systemctl stop postern-relay.service postern-relay-smtp.socket
check "then there is no answer, and the admin program goes on" answers user@flxw.de "503 {}"
check "the relay is started again" systemctl start postern-relay-smtp.socket postern-relay.service
check "and is asked again" eventually answers user@flxw.de "'Auth-Status': 'OK'"
finish
