# Port 25 by a socket unit, straight to the relay.
. "$SCRIPTS/machine.sh"
install_postern
configure_relay flxw.de
start_sink

check "the socket is enabled and started" systemctl --quiet enable --now postern-relay-smtp.socket
check "port 25 is open before the relay runs" listens 25
check "the relay has not been started" has_property postern-relay.service ActiveState inactive
check "the first client starts it, and its message is accepted" mail 25 user@flxw.de first
check "the message is at the backend" eventually arrived first
check "a recipient of nobody's is refused" not mail 25 user@elsewhere.example refused
check "no thread of it is root's, has a capability or may get one" is_unprivileged postern-relay.service postern
check "IPv6 is served by the same socket" python3 -Ic 'import socket; assert socket.create_connection(("::1", 25), 10).recv(4) == b"220 "'
check "its folder is its own" same "$(stat -c '%U %a' /run/postern-relay)" "postern 755"

# A reload: by a file that is right, by one that is not, and what the relay does then.
configure_relay new.example
check "a reload with a new route succeeds" systemctl reload postern-relay.service
check "the new route holds" eventually mail 25 user@new.example second
check "its message is at the backend" eventually arrived second
echo 'routez: []' >>/etc/postern/relay.yaml
check "a reload with a mistake in the file fails" not systemctl reload postern-relay.service
check "the journal has file, line and word" eventually journal_has postern-relay.service 'relay.yaml:4:1: unknown key "routez"'
check "the relay goes on" has_property postern-relay.service ActiveState active
check "with the old routes" mail 25 user@new.example third
configure_relay flxw.de

# A restart and a crash, while somebody connects all the time: systemd has the socket, so nobody is refused.
start_knocking
first=$(property postern-relay.service MainPID)
check "the relay is restarted" systemctl restart postern-relay.service
check "another process has taken over" not same "$(property postern-relay.service MainPID)" "$first"
check "the relay is killed" systemctl kill --signal KILL --kill-whom main postern-relay.service
check "it is restarted" eventually has_property postern-relay.service NRestarts 1
check "it takes mail again" eventually mail 25 user@flxw.de fourth
# (one client at a time: the one whose connection the killed process had)
stop_knocking 1

# A configuration that cannot be used: the relay gives up at once, and the operator needs to repair one thing only.
echo 'routez: []' >>/etc/postern/relay.yaml
systemctl restart postern-relay.service 2>/dev/null
check "with a mistake in the file the relay ends with 78" eventually has_property postern-relay.service ExecMainStatus 78
for _ in 1 2 3 4 5 6 7 8; do mail 25 user@flxw.de lost 2>/dev/null; done
check "after some clients systemd gives up, and closes the port" eventually not listens 25
configure_relay flxw.de
systemctl reset-failed postern-relay.service
check "once it is repaired, starting the relay brings the port back" systemctl start postern-relay.service
check "mail passes" mail 25 user@flxw.de fifth
finish
