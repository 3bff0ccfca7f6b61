# The relay takes port 25 from the broker: by a socket unit of the broker's, or brought by a binder.
. "$SCRIPTS/machine.sh"
install_postern
echo 'smtp tcp *:25 get=postern,root store=postern-binder list=root' >/etc/postern/sockets.conf
configure_relay flxw.de
start_sink

check "the broker's sockets and the relay are enabled and started" \
    systemctl --quiet enable --now postern-broker.socket postern-broker-smtp.socket postern-broker.service postern-relay.service
check "a message is accepted" eventually mail 25 user@flxw.de first
check "and at the backend" eventually arrived first
check "the relay is known to the broker" eventually lists smtp 1
check "no thread of the relay is root's, has a capability or may get one" is_unprivileged postern-relay.service postern
check "nor of the broker" is_unprivileged postern-broker.service postern-broker

start_knocking
check "the broker is killed" systemctl kill --signal KILL --kill-whom main postern-broker.service
check "it is back" eventually has_property postern-broker.service NRestarts 1
check "mail has gone on" mail 25 user@flxw.de second
check "the relay is restarted" systemctl restart postern-relay.service
check "mail passes" eventually mail 25 user@flxw.de third
check "the broker knows of it" eventually lists smtp 1
# (one client at a time: the one whom a relay that ends had accepted)
stop_knocking 1

# The same without the socket unit.
check "everything ends" systemctl stop postern-broker.socket postern-broker-smtp.socket postern-relay.service postern-broker.service
check "the socket unit is disabled" systemctl --quiet disable postern-broker-smtp.socket
check "port 25 is closed" not listens 25
check "the binder's is enabled" systemctl --quiet enable postern-binder@smtp.service
check "all is started" systemctl start postern-broker.service postern-binder@smtp.service postern-relay.service
check "a message is accepted" eventually mail 25 user@flxw.de fourth
check "and at the backend" eventually arrived fourth
finish
