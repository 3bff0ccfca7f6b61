# What the scripts beside this one have in common. Each runs as root inside a throwaway machine (scripts/with-systemd):
# what it installs, starts and breaks is gone with it.
#
# A script says `ok - TEXT` or `not ok - TEXT` for everything that it looked at, and `verdict: held` or `verdict: broken`
# at last. The programs are in the folder $PROGRAMS, the units in $UNITS, these scripts in $SCRIPTS.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
broken=0

# Says whether a command succeeds; what it printed is shown where it does not.
check() { # TEXT COMMAND [ARG]...
    local text=$1 output status
    shift
    output=$("$@" 2>&1)
    status=$?
    if [ $status = 0 ]; then
        echo "ok - $text"
    else
        broken=1
        echo "not ok - $text"
        printf '    %s: exit status %s\n' "$*" $status
        [ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/    /'
    fi
    return $status
}

# Succeeds as soon as a command does, within 10 seconds.
eventually() { # COMMAND [ARG]...
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    "$@"
}

not() { ! "$@"; }
same() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; } # GOT WANTED
property() { systemctl show --property "$2" --value "$1"; }              # UNIT PROPERTY
has_property() { same "$(property "$1" "$2")" "$3"; }                     # UNIT PROPERTY VALUE
status_has() { property "$1" StatusText | grep -i -- "$2"; }                # UNIT TEXT
journal() { journalctl --quiet --output cat "$@"; }
journal_has() { journal --unit "$1" | grep -F -- "$2"; }                  # UNIT TEXT
listens() { ss -Hltn "sport = :$1" | grep -q .; }                         # PORT

# The last line. What systemd and the programs said comes before it where something is broken.
finish() {
    if [ $broken != 0 ]; then
        echo "-- the journal:"
        journalctl --quiet --no-pager --output short-monotonic | grep -E 'postern|sink|holder' | tail -n 150
        echo "verdict: broken"
        exit 1
    fi
    echo "verdict: held"
    exit 0
}

# Puts programs, users, folders and units where a package would.
install_postern() {
    install -m 755 "$PROGRAMS"/postern{,-admin,-broker,-exec} /usr/bin/ || exit 69
    install -m 644 "$UNITS/postern.sysusers" /usr/lib/sysusers.d/postern.conf
    install -m 644 "$UNITS/postern.tmpfiles" /usr/lib/tmpfiles.d/postern.conf
    install -m 644 "$UNITS"/*.socket "$UNITS"/*.service /usr/lib/systemd/system/
    # (app: somebody who is of no group of ours, and not nobody, to whom the broker gives nothing)
    systemd-sysusers >/dev/null 2>&1 && systemd-sysusers --inline 'u app -' >/dev/null 2>&1 || exit 69
    systemd-tmpfiles --create postern.conf || exit 69
    # (no file capability: under systemd it comes from the unit)
    install -o root -g postern-bind -m 750 "$PROGRAMS/postern-binder" /usr/bin/ || exit 69
    mkdir -p -m 755 /etc/postern
    systemctl daemon-reload
}

# `postern sink` on port 2525, as a user of no rights in particular.
start_sink() {
    systemd-run --quiet --unit sink --uid app postern sink --listen 127.0.0.1:2525
    eventually listens 2525
}

# relay.yaml with one listener and one route, to the sink.
configure_relay() { # DOMAIN
    cat >/etc/postern/relay.yaml <<YAML
server: {name: mail.postern.example}
listeners: [{socket: smtp}]
routes: [{recipients: [$1], backends: ["127.0.0.1:2525"]}]
YAML
}

# Somebody connects to a port again and again, until it is told to stop; nobody may be refused in between.
start_knocking() { # [PORT [WHAT TO SAY]], by default 25 and nothing
    rm -f /run/stop /run/knocks
    systemd-run --quiet --unit knocking --collect --uid app -p StandardOutput=file:/run/knocks \
        python3 -I "$SCRIPTS/machine.py" knock "${1-25}" /run/stop "${2-}"
    check "somebody connects all the time" eventually grep -q knocking /run/knocks
}
stop_knocking() { # CUT: how many connections may have ended with the process that had accepted them
    local counts greeted refused cut
    touch /run/stop
    eventually grep -q ^greeted= /run/knocks
    counts=$(grep ^greeted= /run/knocks)
    echo "# $counts"
    read -r greeted refused cut <<<"${counts//[a-z=]/}"
    check "somebody was served all the time" [ "${greeted:-0}" -ge 20 ]
    check "nobody was refused" same "${refused:-none counted}" 0
    check "no more than $1 connections were cut" [ "${cut:-99}" -le "$1" ]
}

mail() { python3 -I "$SCRIPTS/machine.py" mail "$@"; }                     # PORT RECIPIENT SUBJECT
arrived() { journal_has sink "subject=\"$1\""; }                           # SUBJECT

# No thread of a unit's main process is root's, has a capability, or may get one.
is_unprivileged() { # UNIT USER
    local pid uid status
    pid=$(property "$1" MainPID)
    uid=$(id -u "$2")
    [ "$pid" -gt 1 ] || { echo "$1 does not run"; return 1; }
    for status in /proc/"$pid"/task/*/status; do
        same "$(awk '$1 == "Uid:" { print $2, $3, $4, $5 }' "$status")" "$uid $uid $uid $uid" || return 1
        same "$(awk '/^Cap/ { print $2 }' "$status" | sort -u)" 0000000000000000 || return 1
        same "$(awk '$1 == "NoNewPrivs:" { print $2 }' "$status")" 1 || return 1
    done
}

# One request to the broker as root, who has what rights the policy gives to root: none by itself.
ask() { python3 -I "$SCRIPTS/machine.py" ask "$@"; }                       # VERB [KEY=VALUE]...
grants() { ask GET "name=$1" | grep -qx "port $2"; }                       # NAME PORT
lists() { ask LIST | grep -E "^item=$1( .*)? leases=$2 "; }                # NAME LEASES
has_ports() { same "$(ask LIST | sed -n -e '/ missing/d' -e 's/^item=\([^ ]* [^ ]* [^ ]*\) .*/\1/p' | sort | tr '\n' ';')" "$1"; } # ITEMS
# A program that has a name from the broker and serves it.
start_holder() { # NAME
    systemd-run --quiet --unit "holder-$1" --uid app python3 -I "$SCRIPTS/machine.py" hold "$1"
    check "a program takes \"$1\" from the broker" eventually journal_has "holder-$1" "holding $1"
}
generations() { journal --unit "holder-$1" | grep -c '^holding'; }         # NAME
has_renewed() { [ "$(generations "$1")" -ge "$2" ]; }                      # NAME TIMES
