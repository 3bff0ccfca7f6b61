# docs/web-front.md's unit: nginx as www-data on port 80, with the listener from the broker. The examples are in $EXAMPLES,
# what scripts/peers made in $PEERS.
. "$SCRIPTS/machine.sh"
install_postern
install -m 644 "$EXAMPLES/sockets.conf" /etc/postern/sockets.conf
install -m 644 "$EXAMPLES/web-front.service" /etc/systemd/system/
install -m 755 "$PEERS/root/usr/sbin/nginx" /usr/sbin/nginx
install -d -o www-data -g www-data /var/lib/web-front
install -m 644 "$EXAMPLES/nginx.conf" /var/lib/web-front/
printf 'me:%s\n' "$(openssl passwd -apr1 secret)" >/var/lib/web-front/htpasswd
systemd-run --quiet --unit app --uid app python3 -I "$EXAMPLES/app.py"
systemctl daemon-reload
silent() { local output; output=$("$@" 2>&1) && [ -z "$output" ] || { echo "$output"; return 1; }; }
status() { curl -s -o /dev/null -w '%{http_code}' "$@" http://127.0.0.1/; }

check "systemd-analyze verify has nothing to say about it" silent systemd-analyze verify web-front.service
check "the binder alone brings the port, and with it the broker" systemctl start postern-binder@http.service
check "which runs" has_property postern-broker.service ActiveState active
check "broker, binder and front are enabled and started" \
    systemctl --quiet enable --now postern-broker.service postern-binder@http.service web-front.service
check "the app listens" eventually listens 8080
check "401 without the password" same "$(status)" 401
check "200 with it" same "$(status -u me:secret)" 200
check "no thread of it is root's, has a capability or may get one" is_unprivileged web-front.service www-data

start_knocking 80 $'GET / HTTP/1.0\r\n\r\n'
check "it is reloaded" systemctl reload web-front.service
check "it is restarted" systemctl restart web-front.service
check "the broker is restarted" systemctl restart postern-broker.service
check "it is restarted with the new broker" systemctl restart web-front.service
check "200 with the password" same "$(status -u me:secret)" 200
stop_knocking 0
finish
