"""HTTP as much as a story needs of it: the client that is observed, and a server made of the peer's ordinary socket operations."""

from __future__ import annotations

from typing import Any

from faultlab.lab import Handle, Lab, Pending, Side, _text, show
from faultlab.scenario import Observation


class Fetch(Pending):
    """A fetch that was started and goes on beside the story."""

    def __init__(self, side: Side, sock: str, number: int, facts: dict[str, str]) -> None:
        super().__init__(Handle(side, sock), "fetch", number, facts)
        self.number, self.facts = number, facts


class Client:
    """An HTTP client, by its name at the driver: what a program keeps so that its connections are used again."""

    def __init__(self, side: Side) -> None:
        self.side, self.sock = side, side.name()

    def fetch(self, path: str = "/", **parameters: Any) -> Observation:
        """Fetch and wait for the end of it; see `start`."""
        return self.start(path, **parameters).result()

    def start(self, path: str = "/", *, port: int | None = None, method: str = "GET", data: bytes | str | None = None,
              size: int | None = None, deadline: float | None = None, connect_deadline: float | None = None) -> Fetch:  # fmt: skip
        """Start to fetch from the peer and go on with the story; `data`, or `size` bytes, are the request's body."""
        target, facts = self.side._target(port, None, None)
        url = f"http://{show(target)}{path}"
        facts |= {"url": url, "path": path, "verb": method.capitalize(), "seconds": f"{deadline or connect_deadline or 0:g}"}
        facts["when"] += " connect-timer" if connect_deadline else ""
        number = self.side.begin(
            "fetch", sock=self.sock, method=method, url=url, data=_text(data), size=size, deadline=deadline,
            connect_deadline=connect_deadline, background=True,
        )  # fmt: skip
        return Fetch(self.side, self.sock, number, facts)

    def settled(self) -> None:
        """Wait until the program has done all it does by itself: no thread of it has anything to do."""
        self.side.driver.program.asleep(self.side.lab.patience(10.0))


class Connection(Handle):
    """The server's end of a connection, with what came of a request so far."""

    got = ""
    asking: Fetch | None = None
    """The fetch that it answers; some words mention how much of the answer came."""

    @property
    def whole(self) -> bool:
        """Whether a request is here, by its Content-Length."""
        head, end, body = self.got.partition("\r\n\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        return bool(end) and len(body) >= int(fields.get("content-length", 0))

    def answer(self, body: str = "", *, status: str = "200 OK", length: int | None = None) -> None:
        """Send an answer; its Content-Length is the body's unless another one is to be said."""
        self._say(status, f"Content-Length: {len(body) if length is None else length}", body, len(body) if length is None else length)

    def answer_until_close(self, body: str) -> None:
        """Send an answer that says nothing of its length: it ends where the connection does."""
        self._say("200 OK", "Content-Type: text/plain", body)

    def answer_chunk(self, body: str, length: int) -> None:
        """Send the head of an answer in chunks, and of its first chunk, which is said to be so long, the beginning."""
        self._say("200 OK", "Transfer-Encoding: chunked", body, length, f"{length:x}\r\n")

    def _say(self, status: str, field: str, body: str, length: int = 0, before: str = "") -> None:
        if self.asking is not None:
            self.asking.facts |= {"had": str(len(body)), "announced": str(length), "lacks": str(length - len(body))}
        self.send(f"HTTP/1.1 {status}\r\n{field}\r\n\r\n{before}{body}")

    def offer(self, data: str) -> None:
        """Send to a client that may be gone by now."""
        self.side.driver.result(self.side.begin("send", sock=self.sock, data=data), self.side.lab.patience(10.0))

    def reset(self) -> None:
        """Close it with a RST, as a program does that lingers for no time, and wait until the client's kernel has it."""
        self.option("linger", 0)
        self.close()
        self.far_end.until("CLOSE")


class Server:
    """Takes requests as they come, each on the connection that the client chose."""

    def __init__(self, side: Side) -> None:
        self.side, self.listener = side, side.listen()
        self._accepting: int | None = None
        self._reading: dict[int, Connection] = {}
        self._idle: list[Connection] = []

    def accept(self) -> Connection:
        """Accept a connection and leave it unread."""
        handle = self.listener.accept()
        return Connection(self.side, handle.sock, handle.local, handle.remote)

    def request(self, asking: Fetch, *, surely: bool = False) -> Connection | None:
        """The connection on which the next request came, whole; None where the client ended its fetch without another one.

        With `surely` that end is no news: the request was sent before, and is on its way.
        """
        side, client = self.side, asking._handle.side

        def ended() -> bool:
            return not surely and client.driver.done(asking.number)

        for conn in self._idle:
            self._read(conn)
        self._idle.clear()
        while True:
            if self._accepting is None:
                name = side.name()
                self._accepting = side.begin("accept", sock=self.listener.sock, background=True, **{"as": name})
                self._accepted_as = name

            def news() -> int | None:
                return next((n for n in (self._accepting, *self._reading) if n is not None and side.driver.done(n)), None)

            side.lab.bed.wait_for("request", lambda: news() is not None or ended(), side.lab.patience(25.0), lambda: "none")
            number = news()
            if number is None:
                return None
            asked = self._take(number)
            if asked is not None and asked.whole:
                asked.got, asked.asking = "", asking
                self._idle.append(asked)
                return asked

    def must(self, asking: Fetch) -> Connection:
        """The same where there is no story without a request."""
        conn = self.request(asking, surely=True)
        assert conn is not None
        return conn

    def first(self, client: Client) -> Connection:
        """Answer a first request; the connection that it leaves, once the client has come to rest."""
        asking = client.start()
        conn = self.must(asking)
        conn.answer("one")
        asking.result()
        client.settled()
        return conn

    def close(self, conn: Connection) -> None:
        """Close a connection in the usual way."""
        self._idle.remove(conn)
        conn.close()

    def reset(self, conn: Connection) -> None:
        """Reset a connection."""
        self._idle.remove(conn)
        conn.reset()

    def _read(self, conn: Connection) -> None:
        self._reading[self.side.begin("recv", sock=conn.sock, max=1024, background=True)] = conn

    def _take(self, number: int) -> Connection | None:
        """What an accept or a read brought; a connection that the client has ended is forgotten."""
        side = self.side
        if number == self._accepting:
            self._accepting = None
            seen = side.collect("accept", number, self.listener._facts())
            local, remote = ((seen.facts[f"{end}_ip"], int(seen.facts[f"{end}_port"])) for end in ("local", "remote"))
            self._read(Connection(side, self._accepted_as, local, remote))
            return None
        conn = self._reading.pop(number)
        if side.driver.answers[number]["outcome"] == "error":  # the client has reset it
            del side.driver.answers[number]
            return None
        seen = side.collect("recv", number, conn._facts())
        if seen.outcome == "eof":
            return None
        conn.got += seen.data or ""
        if not conn.whole:
            self._read(conn)
        return conn


def http(lab: Lab) -> tuple[Client, Server]:
    """An HTTP client of the client's program, and the server that its peer plays."""
    return Client(lab.client), Server(lab.server)
