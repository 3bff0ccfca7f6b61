# Ports that a binder brings to a broker that runs: no socket unit, and nothing that lives has a capability.
. "$SCRIPTS/machine.sh"
install_postern
cat >/etc/postern/sockets.conf <<'POLICY'
smtp         tcp *:25      store=postern-binder get=app,root list=root
submission   tcp *:587     store=postern-binder get=app,root list=root
two-of       tcp *:465 reuseport=2   store=postern-binder get=root list=root
resolver     udp 127.0.0.1:53        store=postern-binder get=root list=root
forbidden    tcp *:80      get=root list=root
POLICY
systemctl --quiet enable postern-broker.service
check "the broker is started, with nothing" systemctl start postern-broker.service
check "a name without a socket is missing" not ask GET name=smtp
check "a binder brings port 25" systemctl start postern-binder@smtp.service
check "it is granted" grants smtp 25
check "the binder has gone" has_property postern-binder@smtp.service MainPID 0
check "no thread of the broker is root's, has a capability or may get one" is_unprivileged postern-broker.service postern-broker
check "it has shut itself in" not journal_has postern-broker.service 'event=sandbox missing'
start_holder smtp
start_knocking
check "another brings port 587, while mail flows" systemctl start postern-binder@submission.service
check "it is granted, to the same broker" grants submission 587
check "a name with a hyphen, and two sockets" systemctl start postern-binder@two-of.service
check "a UDP port" systemctl start postern-binder@resolver.service
check "what the policy does not let it store is refused" not systemctl start postern-binder@forbidden.service
check "and so said" eventually journal_has postern-binder@forbidden.service 'forbidden'
check "a name that is not in the policy is refused" not systemctl start postern-binder@nothing.service
every='resolver udp 127.0.0.1:53;smtp tcp *:25;submission tcp *:587;two-of tcp *:465;two-of tcp *:465;'
check "every port is there" has_ports "$every"
stored() { property postern-broker.service NFileDescriptorStore; }
check "the manager has all of them, and the broker's state" same "$(stored)" 6

# The broker is killed, with leases out: again and again, since the store is what is tried. A binder that is enabled comes
# with each start of the broker: where that has the port, it finds it taken, and nothing changes.
check "the binder of 25 is enabled" systemctl --quiet enable postern-binder@smtp.service
for time in 1 2 3; do
    check "the broker is killed" systemctl kill --signal KILL --kill-whom main postern-broker.service
    check "it is back" eventually has_property postern-broker.service NRestarts $time
    check "the program has its lease again" eventually has_renewed smtp $((time + 1))
    check "every port is there" has_ports "$every"
    check "587 is granted" grants submission 587
done

# A restart keeps the manager's store, and so do many.
check "the broker is restarted" systemctl restart postern-broker.service
check "every port is there" has_ports "$every"
check "the program has its lease again" eventually has_renewed smtp 5
stop_knocking 0

# A stop empties it, and then the binders that are enabled bring their ports again.
check "the broker is stopped" systemctl stop postern-broker.socket postern-broker.service
check "the program has its listener still" listens 25
check "of the others nothing is left" not listens 587
check "the program goes" systemctl stop holder-smtp.service
check "and so is port 25" eventually not listens 25
check "the binders are off" not has_property postern-binder@smtp.service ActiveState active
check "the broker is started" systemctl start postern-broker.service
check "the one that is enabled has brought its port" eventually grants smtp 25
check "587 is not there" not grants submission 587
finish
