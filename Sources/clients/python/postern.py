"""Listeners from postern-broker, by name.

    import postern

    with postern.get(["smtp"]) as lease:
        listener = lease.sockets["smtp"][0]
        while True:
            connection, address = listener.accept()
            ...

A name is taken from LISTEN_FDS (systemd) where that has it, and from the broker otherwise. The lease is to be kept open
for as long as the listeners are used. Python 3.9 or later, Linux, the standard library only; docs/clients.md has more.
"""

from __future__ import annotations

import array
import errno
import os
import re
import select
import socket
import struct
import threading
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

__all__ = ["Broker", "Busy", "Denied", "Lease", "Missing", "NoBroker", "PosternError", "get"]

DEFAULT_PATH = "/run/postern/broker.sock"

_MAX_REQUEST = 4096
_MAX_REPLY = 16384
_MAX_DESCRIPTORS = 64
_SO_COOKIE = 57
_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}\Z")
_KEY = re.compile(r"[a-z0-9._-]{1,63}\Z")
_TAG = re.compile(r"[A-Za-z0-9]{1,8}\Z")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")


class PosternError(Exception):
    """Why a request was not granted. Nothing that came with it is open.

    ``code`` is that of the broker's reply (docs/pb1.md), or 0 where it did not refuse: then the connection or its
    answer is at fault.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class NoBroker(PosternError):
    """Nobody listens on the broker's socket."""


class Denied(PosternError):
    """403: the policy does not let this program's user have it."""


class Missing(PosternError):
    """404: the broker has no socket under the name, or the name is not held."""


class Busy(PosternError):
    """409: another program holds the name, or the socket is stored already."""


_REFUSALS = {403: Denied, 404: Missing, 409: Busy}


class _PacketError(Exception):
    """What is wrong with a packet; its word is that of the test vectors."""


class _Spec(NamedTuple):
    """A socket as the policy has it."""

    transport: str
    address: Optional[bytes]  # 4 or 16 bytes; None for every address
    port: int
    v6only: bool
    device: str


class _Packet(NamedTuple):
    """A packet, read whole."""

    head: Tuple[str, str]  # a request's verb, or a reply's code; the tag
    lines: List[Tuple[str, str]]

    def value(self, key: str) -> Optional[str]:
        """The value of a key; None if there is none."""
        return next((value for found, value in self.lines if found == key), None)


class _GrantError(Exception):
    """What is wrong with a grant."""


def _decimal(text: str, limit: int) -> Optional[int]:
    """A number without sign and leading zeros; None if it is none, or above the limit."""
    if not _DECIMAL.match(text):
        return None
    number = int(text)
    return number if number <= limit else None


def _parse_packet(data: bytes, is_reply: bool) -> _Packet:
    """Reads a packet: `PB1 VERB TAG` or `PB1 CODE WORD TAG`, then lines `key=value`."""
    if not data:
        raise _PacketError("empty")
    if len(data) > (_MAX_REPLY if is_reply else _MAX_REQUEST):
        raise _PacketError("tooLong")
    if any(byte != 0x0A and not 0x20 <= byte <= 0x7E for byte in data):
        raise _PacketError("badByte")
    head, *lines = data.decode("ascii").split("\n")
    if len(head) <= 4 or not head.startswith("PB"):
        raise _PacketError("badHead")
    if not head.startswith("PB1 "):
        raise _PacketError("badVersion")
    words = head.split(" ")[1:]
    if len(words) != (3 if is_reply else 2) or not all(words) or not _TAG.match(words[-1]):
        raise _PacketError("badHead")
    if is_reply and not re.match(r"[1-9][0-9]{2}\Z", words[0]):
        raise _PacketError("badHead")
    if lines and not lines[-1]:
        lines.pop()
    found: List[Tuple[str, str]] = []
    keys = set()
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or not _KEY.match(key):
            raise _PacketError("badLine")
        if key in keys and key != ("item" if is_reply else "name"):
            raise _PacketError("repeatedKey")
        keys.add(key)
        found.append((key, value))
    return _Packet((words[0], words[-1]), found)


def _parse_spec(text: str) -> _Spec:
    """Reads `tcp [::]:25`, with `v6only` and `device=NAME` behind it where they hold."""
    words = text.split(" ")
    if len(words) < 2 or words[0] not in ("tcp", "udp"):
        raise _GrantError("spec")
    host, colon, digits = words[1].rpartition(":")
    port = _decimal(digits, 65535)
    if not colon or not port:
        raise _GrantError("spec")
    address: Optional[bytes] = None
    try:
        if host.startswith("[") and host.endswith("]"):
            address = socket.inet_pton(socket.AF_INET6, host[1:-1])
        elif host != "*":
            address = socket.inet_pton(socket.AF_INET, host)
    except OSError:
        raise _GrantError("spec") from None
    v6only, device = False, ""
    for word in words[2:]:
        if word == "v6only" and not v6only:
            v6only = True
        elif word.startswith("device=") and 8 <= len(word) <= 22 and not device:
            device = word[7:]
        else:
            raise _GrantError("spec")
    return _Spec(words[0], address, port, v6only, device)


def _parse_reply(data: bytes, tag: str) -> _Packet:
    """Reads the reply to the request with that tag; a refusal before any request has the tag 0."""
    try:
        reply = _parse_packet(data, is_reply=True)
    except _PacketError:
        raise _GrantError("not a PB1 reply") from None
    if reply.head[1] != tag and (reply.head[0] == "200" or reply.head[1] != "0"):
        raise _GrantError("the reply to another request")
    return reply


def _parse_grant(reply: _Packet, names: Sequence[str]) -> List[Tuple[str, _Spec]]:
    """Reads a reply of code 200 as the grant of names: each descriptor's name and socket, in order."""
    count = _decimal(reply.value("fds") or "0", _MAX_DESCRIPTORS)
    if count is None or reply.value("fds") == "":
        raise _GrantError("fds= is 0 to 64")
    indexed: Dict[int, str] = {}
    for key, value in reply.lines:
        index = _decimal(key[3:], _MAX_DESCRIPTORS - 1) if key.startswith("fd.") else None
        if index is not None:
            indexed[index] = value
    found: List[Tuple[str, str]] = []
    for index in range(count):
        name, _, spec = indexed.get(index, "").partition(" ")
        if not _NAME.match(name):
            raise _GrantError("a descriptor without its line")
        found.append((name, spec))
    granted = [(name, _parse_spec(spec)) for name, spec in found]
    if any(name not in names for name, _ in granted):
        raise _GrantError("a name that was not asked for")
    if any(all(name != other for other, _ in granted) for name in names):
        raise _GrantError("a name that was asked for did not come")
    return granted


def _check_socket(found: socket.socket, spec: _Spec) -> None:
    """Checks that a socket is what its line promises."""
    kind = {"tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP), "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP)}
    try:
        if found.family not in (socket.AF_INET, socket.AF_INET6):
            raise _GrantError("neither IPv4 nor IPv6")
        if (found.type, found.proto) != kind[spec.transport]:
            raise _GrantError("another kind of socket")
        if spec.transport == "tcp" and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise _GrantError("not listening")
        bound = found.getsockname()
        address = socket.inet_pton(found.family, bound[0].partition("%")[0])
        if bound[1] != spec.port or (any(address) if spec.address is None else address != spec.address):
            raise _GrantError("bound elsewhere")
        # (For any other address the kernel turns IPV6_V6ONLY on by itself.)
        if len(address) == 16 and not any(address):
            if bool(found.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)) != spec.v6only:
                raise _GrantError("another IPV6_V6ONLY")
        device = found.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).partition(b"\0")[0]
        if device != spec.device.encode("ascii"):
            raise _GrantError("bound to another device")
    except OSError as error:
        raise _GrantError(f"not a socket that can be looked at: {error.strerror}") from None


def _cookie(found: socket.socket) -> int:
    """The socket's number (SO_COOKIE): the same for each descriptor of it, and of no other socket."""
    try:
        return int(struct.unpack("=Q", found.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8))[0])
    except OSError:
        return 0


def _check_names(names: Union[str, Iterable[str]]) -> List[str]:
    """The names as a list; fails unless they are 1 to 32 names, each once."""
    listed = [names] if isinstance(names, str) else list(names)
    if not 1 <= len(listed) <= 32 or len(set(listed)) != len(listed):
        raise ValueError("1 to 32 names, each once")
    for name in listed:
        if not _NAME.match(name):
            raise ValueError(f"not a listener's name: {name!r}")
    return listed


class Broker:
    """A connection to the broker, on which HELLO has been answered. What is granted on it is held while it is open.

    :param path: the broker's socket; by default that of POSTERN_BROKER in the environment, or
        /run/postern/broker.sock.
    :param timeout: how many seconds the broker may take for each answer.
    :raises PosternError: NoBroker where nobody listens there.

    Not for several threads at once. A copy of :meth:`fileno` that another process has keeps everything held.
    """

    def __init__(self, path: Optional[str] = None, *, timeout: float = 10.0) -> None:
        self.path = path or os.environ.get("POSTERN_BROKER") or DEFAULT_PATH
        self._timeout = timeout
        self._count = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            self._socket.settimeout(timeout)
            try:
                self._socket.connect(self.path)
            except OSError as error:
                refusal = NoBroker if error.errno in (errno.ENOENT, errno.ECONNREFUSED) else PosternError
                raise refusal(f"connect to the broker {self.path}: {error.strerror or error}") from error
            reply = self._ask("HELLO", [("max", "1")], "greet")
            self.generation = reply.value("generation") or ""
            if not re.match(r"[0-9a-f]{16}\Z", self.generation):
                raise PosternError(f"greet the broker {self.path}: a reply without generation=")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes this copy of the connection."""
        self._socket.close()

    def fileno(self) -> int:
        """The connection's descriptor, close-on-exec: readable once the broker has ended or closed it."""
        return self._socket.fileno()

    @property
    def is_open(self) -> bool:
        """Whether the connection is well, as far as it shows at this moment."""
        if self._socket.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def get(
        self, names: Union[str, Iterable[str]], *, mode: str = "shared", wait: float = 0.0
    ) -> Dict[str, List[socket.socket]]:
        """The listeners of every name, or of none; they are the caller's, the lease on them is this connection.

        :param mode: "shared", or "exclusive" where nobody else may hold them at the same time.
        :param wait: how many seconds the broker may wait until all can be granted, 60 at most.
        """
        asked = _check_names(names)
        if mode not in ("shared", "exclusive"):
            raise ValueError("mode is shared or exclusive")
        if not 0 <= wait <= 60:
            raise ValueError("wait is 0 to 60 seconds")
        lines = [("name", name) for name in asked] + [("mode", mode)]
        if wait:
            lines.append(("wait", str(round(wait * 1000))))
        what = "get " + ", ".join(asked)
        reply, descriptors = self._exchange("GET", lines, what, wait=wait)
        sockets: List[socket.socket] = []
        try:
            granted = _parse_grant(reply, asked)
            if len(granted) != len(descriptors):
                raise _GrantError("another number of descriptors came than was announced")
            for name, spec in granted:
                # (Taken out of the list: from now on the socket closes it.)
                number = descriptors.pop(0)
                try:
                    sockets.append(socket.socket(fileno=number))
                except OSError:
                    os.close(number)
                    raise _GrantError("not a socket") from None
                _check_socket(sockets[-1], spec)
        except _GrantError as error:
            for made in sockets:
                made.close()
            _close(descriptors)
            raise PosternError(f"{what} from the broker {self.path}: {error}") from None
        result: Dict[str, List[socket.socket]] = {name: [] for name in asked}
        for (name, _), made in zip(granted, sockets):
            result[name].append(made)
        return result

    def release(self, *names: str) -> None:
        """Gives names back; Missing where one is not held on this connection, and then all of them still are."""
        self._ask("RELEASE", [("name", name) for name in _check_names(names)], "release " + ", ".join(names))

    def list(self) -> List[str]:
        """A line a socket that this user may list: `smtp tcp [::]:25 leases=2 queue=0`."""
        items: List[str] = []
        while True:
            reply = self._ask("LIST", [("first", str(len(items)))] if items else [], "list")
            before = len(items)
            items += [value for key, value in reply.lines if key == "item"]
            following = _decimal(reply.value("next") or "", 1 << 16)
            if following is None:
                return items
            if following != len(items) or len(items) == before:
                raise PosternError(f"list from the broker {self.path}: next={following} behind {len(items)} items")

    def stat(self, name: str) -> List[Tuple[str, str]]:
        """The broker's numbers on a name: `item`, `gets`, `holders`, `holder.0` and others (docs/pb1.md), in order."""
        _check_names(name)
        return self._ask("STAT", [("name", name)], f"stat {name}").lines

    def store(self, name: str, spec: str, sockets: Sequence[socket.socket], *, replace: bool = False) -> None:
        """Gives the broker the sockets of one line of the policy, which stay open here too.

        :param spec: the line's socket: `tcp [::]:25`.
        :param sockets: 1 to 8 of them.
        :param replace: whether they take the place of those that the broker has.
        """
        _check_names(name)
        if not 1 <= len(sockets) <= 8:
            raise ValueError("1 to 8 sockets")
        lines = [("name", name), ("spec", spec)] + ([("replace", "1")] if replace else [])
        self._ask("STORE", lines, f"store {name}", [made.fileno() for made in sockets])

    def drop(self, name: str) -> int:
        """Lets the broker close its copies; how many those were. Holders keep theirs."""
        _check_names(name)
        return _decimal(self._ask("DROP", [("name", name)], f"drop {name}").value("dropped") or "", 1 << 16) or 0

    def _ask(
        self, verb: str, lines: Sequence[Tuple[str, str]], what: str, descriptors: Sequence[int] = ()
    ) -> _Packet:
        """A request whose reply carries no descriptors."""
        reply, came = self._exchange(verb, lines, what, descriptors)
        if came:
            _close(came)
            raise PosternError(f"{what} at the broker {self.path}: descriptors that do not belong there")
        return reply

    def _exchange(
        self,
        verb: str,
        lines: Sequence[Tuple[str, str]],
        what: str,
        descriptors: Sequence[int] = (),
        wait: float = 0.0,
    ) -> Tuple[_Packet, List[int]]:
        """Sends a request; its reply, of code 200, with the descriptors that came, which are the caller's."""
        asked = f"{what} from the broker {self.path}"
        self._count = self._count % 99_999_999 + 1
        tag = str(self._count)
        text = "".join([f"PB1 {verb} {tag}\n"] + [f"{key}={value}\n" for key, value in lines])
        request = text.encode("ascii", "replace")
        try:
            _parse_packet(request, is_reply=False)
        except _PacketError as error:
            raise ValueError(f"{asked}: not a request ({error})") from None
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendmsg([request], rights, socket.MSG_NOSIGNAL)
            self._socket.settimeout(self._timeout + wait)
            data, came = self._receive()
        except socket.timeout:
            # What comes later would be taken for the answer to another request.
            self.close()
            raise PosternError(f"{asked}: no answer in time") from None
        except _GrantError as error:
            self.close()
            raise PosternError(f"{asked}: {error}") from None
        except OSError as error:
            self.close()
            raise PosternError(f"{asked}: {error.strerror or error}") from error
        try:
            reply = _parse_reply(data, tag)
            if reply.head[0] != "200" and came:
                raise _GrantError("a refusal with descriptors")
        except _GrantError as error:
            _close(came)
            self.close()
            raise PosternError(f"{asked}: {error}") from None
        code = int(reply.head[0])
        if code != 200:
            reason = reply.value("text") or "it gave no reason"
            raise _REFUSALS.get(code, PosternError)(f"{asked}: {code}: {reason}", code)
        return reply, came

    def _receive(self) -> Tuple[bytes, List[int]]:
        """One packet with its descriptors; whatever is odd about it closes them."""
        # (Room for one more than there may be: a surplus one shows, and is closed.)
        room = socket.CMSG_SPACE((_MAX_DESCRIPTORS + 1) * array.array("i").itemsize)
        data, ancillary, flags, _ = self._socket.recvmsg(_MAX_REPLY + 1, room, socket.MSG_CMSG_CLOEXEC)
        came = array.array("i")
        is_odd = bool(flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC))
        for level, kind, content in ancillary:
            if (level, kind) != (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                is_odd = True
                continue
            whole = len(content) - len(content) % came.itemsize
            is_odd = is_odd or whole != len(content)
            came.frombytes(content[:whole])
        if is_odd or len(came) > _MAX_DESCRIPTORS or not data:
            _close(came)
            raise _GrantError("the reply was cut off on its way" if data else "the broker closed the connection")
        return data, list(came)


def _close(descriptors: Iterable[int]) -> None:
    for number in descriptors:
        os.close(number)


class Lease:
    """Listeners, and the lease on those that came from the broker; made by :func:`get`. A context manager.

    Closing it closes its sockets and gives the names back. A child of fork() holds the lease as well.
    """

    #: The listeners by name, in the order of the policy's lines; AF_INET or AF_INET6, listening where they are TCP.
    sockets: Dict[str, List[socket.socket]]

    def __init__(
        self,
        sockets: Dict[str, List[socket.socket]],
        broker: Optional[Broker],
        names: List[str],
        mode: str,
    ) -> None:
        self.sockets = sockets
        self._broker = broker
        self._names = names
        self._mode = mode

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def generation(self) -> str:
        """What the broker calls its present run; empty if nothing came from the broker."""
        return self._broker.generation if self._broker else ""

    @property
    def is_held(self) -> bool:
        """Whether the broker still knows of the lease; true if nothing came from the broker."""
        return self._broker is None or not self._names or self._broker.is_open

    def fileno(self) -> int:
        """The lease's descriptor, for poll(): readable once the lease has ended. -1 if nothing came from the broker."""
        return self._broker.fileno() if self._broker else -1

    def release(self, *names: str) -> None:
        """Gives names back early, and closes their listeners."""
        held = [name for name in _check_names(names) if name in self._names]
        missing = [name for name in names if name not in self.sockets]
        if missing:
            raise Missing(f"release {', '.join(missing)}: not held here", 404)
        if self._broker and held:
            self._broker.release(*held)
        self._names = [name for name in self._names if name not in held]
        for name in names:
            for made in self.sockets.pop(name):
                made.close()

    def renew(self, *, wait: float = 0.0, timeout: float = 10.0) -> Dict[str, List[socket.socket]]:
        """Gets the lease anew after the broker's end; to be tried again, with a pause, while it raises PosternError.

        The listeners stay: what the broker hands out again is the same sockets, by SO_COOKIE, and closed. Sockets that
        are others replace those in :attr:`sockets` under their names. The old ones are returned, for the caller to
        close once nothing uses them; mostly none.
        """
        if self._broker is None or not self._names:
            return {}
        fresh = self._broker if self._broker.is_open else Broker(self._broker.path, timeout=timeout)
        try:
            granted = fresh.get(self._names, mode=self._mode, wait=wait)
        except BaseException:
            if fresh is not self._broker:
                fresh.close()
            raise
        if fresh is not self._broker:
            self._broker.close()
            self._broker = fresh
        replaced: Dict[str, List[socket.socket]] = {}
        for name, found in granted.items():
            old = {_cookie(made): made for made in self.sockets[name]}
            kept: List[socket.socket] = []
            for made in found:
                same = old.pop(_cookie(made), None)
                if same is not None:
                    made.close()
                kept.append(made if same is None else same)
            self.sockets[name] = kept
            if old:
                replaced[name] = list(old.values())
        return replaced

    def close(self) -> None:
        """Closes the listeners, and gives the names back."""
        for listed in self.sockets.values():
            for made in listed:
                made.close()
        self.sockets = {}
        self._names = []
        if self._broker:
            self._broker.close()


_inherited: Optional[Dict[str, List[socket.socket]]] = None
_inherited_lock = threading.Lock()


def _take_environment() -> Dict[str, List[socket.socket]]:
    """What LISTEN_FDS gave this process, and nobody has asked for yet: taken once (sd_listen_fds(3))."""
    global _inherited
    if _inherited is not None:
        return _inherited
    _inherited = {}
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    names, pidfd = os.environ.pop("LISTEN_FDNAMES", None), os.environ.pop("LISTEN_PIDFDID", "")
    if pid != str(os.getpid()) or not count:
        return _inherited
    if pidfd and hasattr(os, "pidfd_open"):
        own, ours = os.pidfd_open(os.getpid()), select.epoll()
        try:
            found, other = os.fstat(own), os.fstat(ours.fileno())
        finally:
            os.close(own)
            ours.close()
        # (Before Linux 6.9 a pidfd has the number that every anonymous inode has: nothing to compare.)
        if found.st_dev != other.st_dev and str(found.st_ino) != pidfd:
            return _inherited
    number = _decimal(count, 1 << 16)
    listed = names.split(":") if names is not None else ["unknown"] * (number or 0)
    if not number or len(listed) != number:
        raise PosternError("take the listeners of LISTEN_FDS: it contradicts LISTEN_FDNAMES, or is no number")
    try:
        for number in range(3, 3 + number):
            os.set_inheritable(number, False)
        for index, name in enumerate(listed):
            _inherited.setdefault(name, []).append(socket.socket(fileno=3 + index))
    except OSError as error:
        raise PosternError(f"take the listeners of LISTEN_FDS: descriptor {number}: {error.strerror}") from error
    return _inherited


def get(
    names: Union[str, Iterable[str]],
    *,
    mode: str = "shared",
    wait: float = 0.0,
    path: Optional[str] = None,
    timeout: float = 10.0,
) -> Lease:
    """The listeners of every name, or of none: from LISTEN_FDS, and what that has not from the broker.

    :param names: names of /etc/postern/sockets.conf, each once, 32 at most.
    :param mode: "shared", or "exclusive" where nobody else may hold them at the same time; only the broker knows it.
    :param wait: how many seconds the broker may wait until all can be granted, 60 at most.
    :param path: the broker's socket; by default POSTERN_BROKER in the environment, or /run/postern/broker.sock.
    :param timeout: how many seconds the broker may take otherwise.
    :raises PosternError: or one of its kinds; then nothing is open, and what LISTEN_FDS gave can be asked for again.

    The first call takes LISTEN_FDS and its fellows out of the environment.
    """
    asked = _check_names(names)
    with _inherited_lock:
        inherited = _take_environment()
        missing = [name for name in asked if name not in inherited]
        broker: Optional[Broker] = None
        granted: Dict[str, List[socket.socket]] = {}
        if missing:
            broker = Broker(path, timeout=timeout)
            try:
                granted = broker.get(missing, mode=mode, wait=wait)
            except BaseException:
                broker.close()
                raise
        sockets = {name: granted[name] if name in granted else inherited.pop(name) for name in asked}
    return Lease(sockets, broker, missing, mode)
