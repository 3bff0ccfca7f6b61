# Port 25 by a socket unit, to whom the broker gives it: what a reload, a crash, a restart and a stop leave of it.
. "$SCRIPTS/machine.sh"
install_postern
cat >/etc/postern/sockets.conf <<'POLICY'
smtp   tcp *:25   get=app,postern,root list=root
POLICY

check "the sockets are enabled and started" systemctl --quiet enable --now postern-broker.socket postern-broker-smtp.socket
check "the broker has not been started" has_property postern-broker.service ActiveState inactive
check "who asks it starts it, and gets port 25" grants smtp 25
check "no thread of it is root's, has a capability or may get one" is_unprivileged postern-broker.service postern-broker
check "it has shut itself in" not journal_has postern-broker.service 'event=sandbox missing'
check "the control socket is root's" same "$(stat -c '%U %a' /run/postern/broker.sock)" "root 666"
check "it says what it has in its status" eventually status_has postern-broker.service "holding 1 sockets"
echo "# $(property postern-broker.service StatusText)"
start_holder smtp
check "the lease is listed" lists smtp 1

# A reload with a policy that cannot be read changes nothing, and says so; one that can be is in force.
cp /etc/postern/sockets.conf /run/good.conf
echo 'smtp tcp *:25 gett=nobody' >>/etc/postern/sockets.conf
check "a reload is sent" systemctl reload postern-broker.service
check "the status tells of the broken policy" eventually status_has postern-broker.service policy
echo "# $(property postern-broker.service StatusText)"
check "the journal has its line and column" eventually journal_has postern-broker.service 'sockets.conf:2:15'
check "the broker is active" has_property postern-broker.service ActiveState active
check "the old policy is in force" grants smtp 25
cp /run/good.conf /etc/postern/sockets.conf
sed -i s/,root// /etc/postern/sockets.conf
check "a reload with a good one is sent" systemctl reload postern-broker.service
check "which is in force then" eventually not grants smtp 25
cp /run/good.conf /etc/postern/sockets.conf
systemctl reload postern-broker.service
check "and so is the first, once it is back" eventually grants smtp 25

# The broker's end, in every way there is, while somebody connects all the time and a program has the port.
start_knocking
check "the broker is killed" systemctl kill --signal KILL --kill-whom main postern-broker.service
check "it is back" eventually has_property postern-broker.service NRestarts 1
check "the program has its lease again" eventually has_renewed smtp 2
check "the port is what it was" has_ports "smtp tcp *:25;"
check "the broker hangs, and the watchdog ends it" systemctl kill --signal STOP --kill-whom main postern-broker.service
for _ in 1 2 3; do eventually has_property postern-broker.service NRestarts 2 >/dev/null && break; done
check "it is back again" has_property postern-broker.service NRestarts 2
check "the program has its lease again" eventually has_renewed smtp 3
check "the broker is restarted" systemctl restart postern-broker.service
check "the program has its lease again" eventually has_renewed smtp 4
stop_knocking 0

# A second port by a unit of its own; the broker has to be restarted for it, and nobody notices.
sed -e 's/^ListenStream=25$/ListenStream=587/' -e 's/^FileDescriptorName=smtp$/FileDescriptorName=submission/' \
    /usr/lib/systemd/system/postern-broker-smtp.socket >/etc/systemd/system/postern-broker-submission.socket
echo 'submission tcp *:587 get=root list=root' >>/etc/postern/sockets.conf
systemctl daemon-reload
start_knocking
check "a new socket is refused while the broker runs" not systemctl start postern-broker-submission.socket
check "it is enabled" systemctl --quiet enable postern-broker-submission.socket
check "and comes with a restart of the broker" systemctl restart postern-broker.service
check "its port is granted" grants submission 587
check "the program has its lease again" eventually has_renewed smtp 5
stop_knocking 0
check "both ports are there" has_ports "smtp tcp *:25;submission tcp *:587;"

# A stop is no restart: the sockets are closed, but a program that has the port keeps it.
check "everything is stopped" systemctl stop postern-broker.socket postern-broker-smtp.socket \
    postern-broker-submission.socket postern-broker.service
check "587, which nobody has, is closed" not listens 587
check "25 is open, by who has it" listens 25
check "and cannot be bound again as long as that runs" not systemctl start postern-broker-smtp.socket
check "the program goes" systemctl stop holder-smtp.service
check "now it can" systemctl start postern-broker.socket postern-broker-smtp.socket
check "and is granted" grants smtp 25
finish
