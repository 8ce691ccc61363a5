"""The peer closes, and no FIN comes: a child process of it still holds the socket.

fork gives the child every descriptor, and a socket ends with its last one: close in the parent only lowers a count (fput), tcp_close is
not called. So the reader waits, for as long as a process lives that never knew of the connection. Descriptors that close on exec
(SOCK_CLOEXEC) prevent that where the child becomes another program; nearly all languages set it, C does not.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A child holds the connection",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("recv", "blocked"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< FA"],
    never=["< R*", "> R*"],
    same_words={"read-hang-silent-peer": "on the peer: ss -tnp shows the connection, owned by another process than the one that closed"},
    production="a server that starts helpers, or daemons, while connections are open",
    diagnose="on the peer: ss -tnp, lsof -i: who still has it",
    cure="SOCK_CLOEXEC; shutdown before close, which ends the connection whoever holds it",
    hides="a read timer",
)


def test_fd_inherited_no_fin(lab: Lab) -> None:
    """The peer forks and closes; read for a while; the child ends."""
    conn, peer = lab.connected()
    lab.server.fork()
    reading = conn.start("recv")
    peer.close()
    reading.blocked(0.3)
    lab.server.reap()
    reading.result()
