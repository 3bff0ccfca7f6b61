"""A backend of our own that takes for an end of data whatever any server ever took for one."""
import re, socket, threading

import world


class Lenient:
    """Takes a dot between any two of CR, LF and NUL for the end of data, and any of them for the end of a line."""

    name, refusal = "lenient", "nothing"

    def __init__(self, port):
        self.port, self.arrivals, self.lock, self.open = port, {}, threading.Lock(), 0
        listener = socket.create_server(("127.0.0.1", port), backlog=100)
        threading.Thread(target=self.accept, args=[listener], daemon=True).start()

    def accept(self, listener):
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open += 1
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                self.converse(connection)
        except OSError:
            pass
        finally:
            with self.lock:
                self.open -= 1

    def converse(self, connection):
        buffer, sender, recipients = b"", None, []
        connection.sendall(b"220 lenient.test ESMTP\r\n")

        def until(pattern):
            """What stands before a pattern; takes both away."""
            nonlocal buffer
            while not (found := re.search(pattern, buffer)):
                more = connection.recv(65536)
                if not more:
                    raise ConnectionResetError
                buffer += more
            head, buffer = buffer[:found.start()], buffer[found.end():]
            return head

        while True:
            line = until(rb"[\r\n\0]+")
            verb = line[:4].upper()
            if verb == b"":
                continue
            reply = b"250 2.0.0 OK"
            if verb in (b"EHLO", b"HELO"):
                reply = b"250-lenient.test\r\n250-PIPELINING\r\n250 8BITMIME"
            elif verb == b"MAIL":
                sender, recipients = line, []
            elif verb == b"RCPT":
                recipients.append(line)
            elif verb == b"DATA":
                connection.sendall(b"354 go on\r\n")
                # (With a line end before it the first line is as any other.)
                buffer = b"\n" + buffer
                content = until(rb"(?<=[\r\n\0])\.[\r\n\0]")[1:]
                with self.lock:
                    for token in re.findall(rb"c\d+x", recipients[0] if recipients else b"")[:1]:
                        self.arrivals.setdefault(token.decode(), []).append((sender, content))
                reply = b"250 2.0.0 taken"
            elif verb == b"QUIT":
                connection.sendall(b"221 2.0.0 Bye\r\n")
                return
            connection.sendall(reply + b"\r\n")

    def settle(self):
        world.until(lambda: self.open == 0, "the lenient backend's connections are over")

    def count(self, token):
        return len(self.arrivals.get(token, []))

    def content(self, token):
        """What arrived, without the stuffing dots."""
        return unstuffed(self.arrivals[token][0][1])


def unstuffed(wire):
    """A text without the dots before the first octets of its lines."""
    return re.sub(rb"(^|\r\n)\.", rb"\1", wire)
