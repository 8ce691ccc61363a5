"""An administrator destroys the connection at the own host, and the program is told that it was aborted.

ss -K asks the kernel to end a socket that somebody else owns (SOCK_DESTROY, tcp_abort): a RST goes to the peer, and ECONNABORTED to the
program. It is the one way in which Linux says that of an established connection: the own host has done it. Phones do so when the
network changes.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Destroyed by the administrator",
    spec="https://man7.org/linux/man-pages/man8/ss.8.html#OPTIONS",
    expected=[Expected("connect"), Expected("recv", "ECONNABORTED"), Expected("recv", "eof"), Expected("send", "EPIPE")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> RA"],
    never=["> F*", "< R*", "> PA"],
    counters={"client TcpOutRsts": 1, "server TcpEstabResets": 1},
    same_words={"connect-aborted": "the operation: there it is connect"},
    production="ss -K; VPN clients and phones at a change of network; service meshes",
    diagnose="tcpdump at the own host: a RST leaves that no program has asked for",
    cure="connect again",
    hides="retrying on the same socket",
)


def test_sock_destroy(lab: Lab) -> None:
    """Wait in a read; the socket is destroyed; read and write."""
    conn, _ = lab.connected()
    reading = conn.start("recv")
    reading.waiting()
    conn.destroy()
    reading.result()
    conn.recv()
    conn.send(b"more")
