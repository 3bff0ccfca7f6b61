"""Clients for the scripts beside this one: mail, knocking at a port, and PB1 by hand.

    mail PORT RECIPIENT SUBJECT    sends a message by SMTP; exit status 0 when it was accepted
    knock PORT STOP [SAY]          connects (and says SAY) again and again until the file STOP is there, 60 s at most
    hold NAME                      takes NAME from the broker and serves it; GETs again when the broker has gone
    ask VERB [KEY=VALUE]...        one request after HELLO, and the reply; exit status 0 when it is 200
"""
import array, os, select, smtplib, socket, sys, time

BROKER = "/run/postern/broker.sock"


def mail(port, recipient, subject):
    with smtplib.SMTP("127.0.0.1", int(port), local_hostname="client.example.org", timeout=30) as client:
        text = f"From: <sender@example.org>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\n\r\ntext\r\n"
        client.sendmail("sender@example.org", [recipient], text)


def knock(port, stop, say=""):
    """Counts who was greeted; who found no listener; and whose connection was cut, with the process that had it."""
    greeted, refused, cut = 0, 0, 0
    end = time.monotonic() + 60
    print("knocking", flush=True)
    while not os.path.exists(stop) and time.monotonic() < end:
        try:
            connection = socket.create_connection(("127.0.0.1", int(port)), timeout=15)
        except OSError as error:
            print("refused:", error, flush=True)
            refused += 1
            continue
        with connection:
            try:
                connection.sendall(say.encode())
                if connection.recv(100):
                    greeted += 1
                else:
                    cut += 1
            except OSError:
                cut += 1
    print(f"greeted={greeted} refused={refused} cut={cut}", flush=True)


def exchange(connection, verb, lines):
    connection.send("\n".join([f"PB1 {verb} t", *lines]).encode())
    text, control, flags, _ = connection.recvmsg(16384, socket.CMSG_SPACE(64 * 4), socket.MSG_CMSG_CLOEXEC)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise OSError("a reply was cut off")
    numbers = array.array("i")
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data)
    return text.decode(), list(numbers)


def connected():
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(20)
    connection.connect(BROKER)
    text, _ = exchange(connection, "HELLO", ["max=1"])
    if " 200 " not in text.split("\n")[0]:
        raise OSError(f"HELLO: {text}")
    return connection, dict(line.split("=", 1) for line in text.split("\n")[1:] if line)


def ask(verb, *lines):
    connection, _ = connected()
    text, numbers = exchange(connection, verb, lines)
    print(text.rstrip("\n"))
    for number in numbers:
        print("port", socket.socket(fileno=number).getsockname()[1])
    sys.exit(0 if text.split("\n")[0].split()[1] == "200" else 1)


def hold(name):
    """Greets everybody with its own number. The listeners work on while the broker is away."""
    listeners = []
    while True:
        try:
            lease, hello = connected()
            text, numbers = exchange(lease, "GET", [f"name={name}", "wait=5000"])
            if not numbers:
                raise OSError(text)
        except OSError as error:
            print("not granted:", error, flush=True)
            if not listeners:
                sys.exit(1)
            lease = None
        else:
            # Only now the old copies go: there is no moment without a listener.
            for old in listeners:
                old.close()
            listeners = [socket.socket(fileno=number) for number in numbers]
            for one in listeners:
                one.setblocking(False)
            print("holding", name, "generation", hello["generation"], flush=True)
        while lease is not None or listeners:
            watched = listeners + ([lease] if lease is not None else [])
            ready, _, _ = select.select(watched, [], [], 0.2)
            for one in ready:
                if one is lease:
                    lease.close()
                    lease = None
                    continue
                # As every server with an event loop: until there is no more. Who made the listener block again would
                # stop it here for good.
                while True:
                    try:
                        connection, _ = one.accept()
                    except BlockingIOError:
                        break
                    with connection:
                        connection.setblocking(True)
                        connection.sendall(f"220 {os.getpid()}\r\n".encode())
            if lease is None:
                break


if __name__ == "__main__":
    {"mail": mail, "knock": knock, "hold": hold, "ask": ask}[sys.argv[1]](*sys.argv[2:])
