"""The Python driver: performs the socket operations it reads from stdin, reports what came back on stdout.

The conversation is described in ../README.md. Every play starts one, so what only some plays need is imported there.
"""

from __future__ import annotations

import json
import socket
import sys
import time

TYPE_CHECKING = False  # typing's constant, without typing
if TYPE_CHECKING:
    from typing import Any

    Fields = dict[str, Any]

PLAIN_OPTIONS = {  # by name: which of them the module has is a matter of the system
    "user_timeout": ("IPPROTO_TCP", "TCP_USER_TIMEOUT"),
    "nodelay": ("IPPROTO_TCP", "TCP_NODELAY"),
    "defer_accept": ("IPPROTO_TCP", "TCP_DEFER_ACCEPT"),
    "reuseaddr": ("SOL_SOCKET", "SO_REUSEADDR"),
    "reuseport": ("SOL_SOCKET", "SO_REUSEPORT"),
    "rcvbuf": ("SOL_SOCKET", "SO_RCVBUF"),
    "sndbuf": ("SOL_SOCKET", "SO_SNDBUF"),
    "v6only": ("IPPROTO_IPV6", "IPV6_V6ONLY"),
}
KEEPALIVE = {"idle": "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE", "interval": "TCP_KEEPINTVL", "count": "TCP_KEEPCNT"}
IP_RECVERR, IPV6_RECVERR = 11, 25  # <linux/in.h>; the socket module has them only from 3.14 on

sockets: dict[str, socket.socket] = {}


class Unsupported(Exception):
    """Python has no such operation, or the driver does not know it."""


class Stopwatch:
    """Times the one call that an operation is about: `with clock:`."""

    def __init__(self) -> None:
        self.t = time.time()
        self.elapsed = 0.0

    def __enter__(self) -> None:
        self.t = time.time()
        self.began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.elapsed = time.monotonic() - self.began


def find(request: Fields) -> socket.socket:
    """The socket a request names."""
    try:
        return sockets[request["sock"]]
    except KeyError:
        raise Unsupported("no socket of that name was made") from None


def literal_family(address: str) -> int | None:
    """The family of an address; None for a host name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address.partition("%")[0])
        except OSError:
            continue
        return family
    return None


def family_of(request: Fields) -> int:
    """The family that the socket of a request has to have."""
    if request.get("network") == "unix":
        return socket.AF_UNIX
    if "family" in request:
        return socket.AF_INET6 if request["family"] == 6 else socket.AF_INET
    return literal_family(request.get("address", "")) or socket.AF_INET


def address_of(request: Fields) -> Any:
    """The address as the socket module wants it."""
    if request.get("network") == "unix":
        return request["address"]
    return request.get("address", ""), request.get("port", 0)


def endpoint(name: Any) -> list[Any]:
    """What getsockname() returned, as the lab wants it: a path has no port."""
    return [name, 0] if isinstance(name, str) else list(name[:2])


def endpoints(sock: socket.socket, known: Any) -> Fields:
    """Both ends; `known` is the other one's address in case the connection is gone again already."""
    try:
        remote = sock.getpeername()
    except OSError:
        remote = known
    return {"local": endpoint(sock.getsockname()), "remote": endpoint(remote)}


def opened(request: Fields) -> socket.socket:
    """The socket that the request names, made if there is none, with the options it asks for."""
    if request["sock"] not in sockets:
        datagrams = request.get("type", request.get("network")) in ("dgram", "udp")
        kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
        sockets[request["sock"]] = socket.socket(family_of(request), kind)
    sock = sockets[request["sock"]]
    for name, value in request.get("options", {}).items():
        set_option(sock, name, value)
    return sock


def set_option(sock: socket.socket, name: str, value: Any) -> None:
    """One option by the lab's name for it."""
    if name == "linger":
        import struct

        layout = "hh" if sys.platform == "win32" else "ii"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, value >= 0, max(value, 0)))
    elif name == "keepalive":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(value))
        for detail, number in (value if isinstance(value, dict) else {}).items():
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, KEEPALIVE[detail]), number)
    elif name == "recverr" and sys.platform != "linux":
        raise Unsupported("no such option on this system")
    elif name == "recverr" and sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, value)
    elif name == "recverr":
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, value)
    elif name in PLAIN_OPTIONS:
        level, option = (getattr(socket, constant) for constant in PLAIN_OPTIONS[name])
        sock.setsockopt(level, option, value)
    else:
        raise Unsupported("no such option")


class Limited:
    """Gives a socket the request's own timer for as long as one call takes: `with Limited(sock, request):`."""

    def __init__(self, sock: socket.socket, request: Fields) -> None:
        self.sock = sock
        self.limit = 0 if request.get("nonblocking") else request.get("deadline")

    def __enter__(self) -> None:
        if self.limit is not None:
            self.before = self.sock.gettimeout()
            self.sock.settimeout(self.limit)

    def __exit__(self, *_: object) -> None:
        if self.limit is not None and self.sock.fileno() >= 0:
            self.sock.settimeout(self.before)


def op_resolve(request: Fields, clock: Stopwatch) -> Fields:
    """getaddrinfo(), as every connection by name does."""
    family = {4: socket.AF_INET, 6: socket.AF_INET6}.get(request.get("family", 0), socket.AF_UNSPEC)
    with clock:
        found = socket.getaddrinfo(request["name"], None, family, socket.SOCK_STREAM)
    return {"addresses": [address[0] for *_, address in found]}


def op_socket(request: Fields, clock: Stopwatch) -> Fields:
    """A socket of its own, not yet anywhere."""
    with clock:
        sock = opened(request)
    if request.get("nonblocking"):
        sock.setblocking(False)
    return {}


def op_bind(request: Fields, clock: Stopwatch) -> Fields:
    """bind() and no more."""
    sock = opened(request)
    with clock:
        sock.bind(address_of(request))
    return {"local": endpoint(sock.getsockname())}


def op_listen(request: Fields, clock: Stopwatch) -> Fields:
    """create_server(), which knows two of the options; whoever wants others goes step by step, and so does this."""
    options = request.get("options", {})
    with clock:
        if request["sock"] not in sockets and options.keys() <= {"reuseport", "v6only"}:
            sockets[request["sock"]] = socket.create_server(
                address_of(request),
                family=family_of(request),
                backlog=request.get("backlog"),
                reuse_port=options.get("reuseport", False),
                dualstack_ipv6=not options.get("v6only", True),
            )
        else:
            sock = opened(request)
            if "address" in request and sock.getsockname()[1:2] == (0,):  # not bound yet
                sock.bind(address_of(request))
            sock.listen(*[request["backlog"]] if "backlog" in request else [])
    return {"local": endpoint(sockets[request["sock"]].getsockname())}


def op_accept(request: Fields, clock: Stopwatch) -> Fields:
    """accept() under the program's own timer, if there is one."""
    sock = find(request)
    with Limited(sock, request), clock:
        accepted, address = sock.accept()
    sockets[request["as"]] = accepted
    return endpoints(accepted, address)


def op_connect(request: Fields, clock: Stopwatch) -> Fields:
    """create_connection() for a host name, as everybody does it; connect() where the program has made the socket."""
    local = tuple(request.get("local") or ())
    address = address_of(request)
    new = request["sock"] not in sockets
    if new and not request.get("options") and request.get("network") != "unix" and not literal_family(address[0]):
        with clock:
            sock = socket.create_connection(address, request.get("deadline"), local or None)
        sock.settimeout(None)
        sockets[request["sock"]] = sock
    else:
        sock = opened(request)
        with Limited(sock, request), clock:
            if local:
                sock.bind(local)
            sock.connect(address)
    return endpoints(sock, address)


def op_send(request: Fields, clock: Stopwatch) -> Fields:
    """sendall(), which does not say how much went out where it fails; sendto() where the request says to whom."""
    data = request["data"].encode() if "data" in request else b"x" * request["size"]
    sock = find(request)
    with Limited(sock, request), clock:
        if "to" in request:
            sock.sendto(data, tuple(request["to"]))
        else:
            sock.sendall(data)
    return {"bytes": len(data)}


def op_recv(request: Fields, clock: Stopwatch) -> Fields:
    """One recv(); the empty bytes are the end of the stream."""
    size = request.get("max", 65536)
    sock = find(request)
    with Limited(sock, request), clock:
        data = sock.recv(size)
    if not data and size and sock.type == socket.SOCK_STREAM:
        return {"outcome": "eof"}
    return {"bytes": len(data), **({"data": data.decode(errors="replace")} if len(data) <= 1024 else {})}


def op_shutdown(request: Fields, clock: Stopwatch) -> Fields:
    """shutdown() of one direction or both."""
    how = {"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}[request.get("how", "wr")]
    sock = find(request)
    with clock:
        sock.shutdown(how)
    return {}


def op_close(request: Fields, clock: Stopwatch) -> Fields:
    """close(), which does not mind a second time."""
    sock = find(request)
    with clock:
        sock.close()
    return {}


def op_option(request: Fields, clock: Stopwatch) -> Fields:
    """One option of a living socket."""
    sock = find(request)
    with clock:
        set_option(sock, request["name"], request["value"])
    return {}


def op_deadline(request: Fields, clock: Stopwatch) -> Fields:
    """A Python socket has one timeout for everything, so `which` makes no difference."""
    sock = find(request)
    with clock:
        sock.settimeout(request.get("seconds"))
    return {}


def op_error(request: Fields, clock: Stopwatch) -> Fields:
    """SO_ERROR, which clears it."""
    sock = find(request)
    with clock:
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return {"errno": number} if number else {}


def op_handle(request: Fields, clock: Stopwatch) -> Fields:
    """A handler that does nothing; the thread that reads requests leaves the signal to those that are busy in the background."""
    import signal

    with clock:
        signal.signal(request["signal"], lambda *_: None)
        signal.siginterrupt(request["signal"], not request.get("restart"))
    signal.pthread_sigmask(signal.SIG_BLOCK, [request["signal"]])
    return {}


def serve_in_background(request: Fields) -> None:
    """Serve with no signal blocked, whatever the thread of the requests blocks."""
    import signal

    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    serve(request)


child = 0


def op_fork(request: Fields, clock: Stopwatch) -> Fields:
    """A child that does nothing but hold what it inherited: fork() does not ask whether a descriptor is inheritable."""
    global child
    import os
    import signal

    with clock:
        child = os.fork()
    while child == 0:
        signal.pause()
    return {}


def op_reap(request: Fields, clock: Stopwatch) -> Fields:
    """Kill the child and wait for it."""
    import os
    import signal

    with clock:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {}


def class_name(error: BaseException) -> str:
    """The class as a traceback spells it."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def errno_of(error: Exception) -> int | str | None:
    """The number; of a gaierror the constant that has it, for numbers of resolvers differ from system to system."""
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror):
        names = (name for name in dir(socket) if name.startswith("EAI_") and getattr(socket, name) == number)
        return next(names, number)
    return number


def describe(error: Exception) -> Fields:
    """An exception and its causes, in the words of a traceback's last line."""
    chain, cause = [class_name(error)], error.__cause__
    while cause is not None:
        chain.append(class_name(cause))
        cause = cause.__cause__
    number = errno_of(error)
    errno = {} if number is None else {"errno": number}
    return {"outcome": "error", **errno, "type": chain[0], "chain": chain, "message": str(error)}


def serve(request: Fields) -> None:
    """Perform one request and answer it."""
    clock = Stopwatch()
    answer: Fields = {"id": request["id"], "op": request["op"], "outcome": "ok"}
    try:
        perform = globals().get(f"op_{request['op']}")
        if perform is None:
            raise Unsupported("no such operation")
        answer.update(perform(request, clock))
    except AttributeError as missing:  # a part of the standard library that not every system has
        answer.update(outcome="unsupported", message=str(missing))
    except Unsupported as why:
        answer.update(outcome="unsupported", message=str(why))
    except (OSError, OverflowError, ValueError) as error:
        answer.update(describe(error))
    say({**answer, "t": round(clock.t, 6), "elapsed": round(clock.elapsed, 6)})


def say(answer: Fields) -> None:
    """One line, in one call, so that answers of threads do not mix."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until stdin ends; whatever still runs in the background ends with the program."""
    say({"v": 1, "event": "ready", "runtime": "python", "version": sys.version.split()[0]})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if request.get("background"):
            from threading import Thread

            Thread(target=serve_in_background, args=(request,), daemon=True).start()
        else:
            serve(request)


if __name__ == "__main__":
    main()
