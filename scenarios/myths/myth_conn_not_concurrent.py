"""Three goroutines write to one connection at the same time, and each one's bytes arrive in one piece.

A net.Conn may be used by many at once. A Write holds the descriptor's write lock until all of its bytes are with the kernel (poll.FD,
fdMutex), so a second one waits for the whole of the first, however often the kernel took only a part. Here the first is stuck in the
middle, before a closed window, when the others begin. The order of the others is anybody's guess, and where a message is several Writes
they mix.
"""

from itertools import pairwise

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

LENGTH = 40_000

SCENARIO = Scenario(
    title="Myth: a Conn is for one goroutine",
    spec="https://pkg.go.dev/net#Conn",
    only=["go"],
    claim="A net.Conn must not be used by several goroutines at once: writes mix, or it panics.",
    judged="false",
    expected=[Expected("connect"), *[Expected("send", bytes=LENGTH)] * 3, Expected("recv", data="3 pieces")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< PA"],
    never=["> R*", "< R*"],
    production="a mutex around every Write, that is not needed",
    diagnose="go doc net.Conn; go test -race",
    cure="one Write for each message",
    hides="a connection for each goroutine",
)


def test_myth_conn_not_concurrent(lab: Lab) -> None:
    """Fill the window with one write, begin two more; the peer reads it all and says in how many pieces it came."""
    lab.server.listen(options={"rcvbuf": 4096})
    conn = lab.client.connect(options={"sndbuf": 4096})
    peer = lab.server.accept()
    writing = [conn.start("send", data=b"x" * LENGTH)]
    writing[0].waiting()
    writing += [conn.start("send", data=letter * LENGTH) for letter in (b"y", b"z")]
    came = ""
    while len(came) < 3 * LENGTH:
        came += peer.recv(1024).data or ""
    pieces = 1 + sum(one != other for one, other in pairwise(came))
    for write in writing:
        write.result()
    peer.send(f"{pieces} pieces")
    conn.recv()
