# Every unit as systemd's own tools see it.
. "$SCRIPTS/machine.sh"
install_postern

silent() { local output; output=$("$@" 2>&1) && [ -z "$output" ] || { echo "$output"; return 1; }; }
for unit in "$UNITS"/*.socket "$UNITS"/*.service; do
    name=${unit##*/}
    check "systemd-analyze verify has nothing to say about $name" silent systemd-analyze verify "${name/@./@smtp.}"
done

# systemd's measure of what a service could do: 0.0 nothing, 10.0 everything.
exposure() { # UNIT BOUND, in tenths
    systemd-analyze security --no-pager "$1" 2>&1 | sed -n 's/.*Overall exposure level/exposure/p' | sed "s/^/# /"
    check "the exposure of $1 is $2 tenths at most" systemd-analyze security --no-pager --threshold "$2" "$1"
}
exposure postern-broker.service 10
exposure postern-binder@smtp.service 15
exposure postern-relay.service 14
exposure postern-admin.service 14

check "the broker's folder is root's, and writable by nobody else" same "$(stat -c '%U:%G %a' /run/postern)" "root:root 755"
check "the binder can be started by its group alone" same "$(stat -c '%U:%G %a' /usr/bin/postern-binder)" "root:postern-bind 750"
check "which the relay's user is not of" not grep -E '^postern-bind:.*[:,]postern(,|$)' /etc/group
check "the binder's user is" grep -E '^postern-bind:.*[:,]postern-binder(,|$)' /etc/group
finish
