"""The own host has no way to the peer any more, and the living connection is not told.

A connect would be refused at once, with ENETUNREACH or EACCES. Here the write succeeds, and what ip_queue_xmit says to the segment is
dropped: it does not even count as sent, so it is the persist timer that tries again (tcp_probe_timer), until it gives up. An interface
that is down, a route that is gone or prohibited: all end in the ETIMEDOUT of a black hole far away. Only IPv6 keeps what its routing
said as a soft error (inet6_csk_xmit), and tells it then.
"""

from faultlab.faults.link import LinkDown
from faultlab.faults.routes import BadRoute
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

TRIED = (1.2, 4.0), (900.0, 1300.0)

SCENARIO = Scenario(
    title="The way is lost at the own host",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.9.2.2",
    shortened={"net.ipv4.tcp_retries2": 2},
    expected=[
        Expected("connect"),
        Expected("send", bytes=5),
        Expected("recv", "ETIMEDOUT", *TRIED, since=2),
        Expected("recv", "eof"),
    ],
    expected_in={
        "ipv6": [Expected("connect"), Expected("send", bytes=5), Expected("recv", "EHOSTUNREACH", *TRIED, since=2), Expected("recv", "eof")]
    },
    variants=["ipv6", "prohibit", "link-down"],
    wire=["> S", "< SA", "> A"],
    never=["> PA", "< R*", "< F*"],
    counters={"client TcpExtTCPAbortOnTimeout": 1, "client TcpRetransSegs": 0},
    same_words={
        "write-unacked-timeout": "the capture at the own host: there the segments leave",
        "mtu-blackhole": "the capture at the own host: there the segments leave",
    },
    production="a VPN that ends, a new lease with another address, a policy route that is added",
    diagnose="ip route get PEER; ss -to: timer:(persist) although the peer's window is open; nothing in the capture",
    cure="mend the route; TCP_USER_TIMEOUT, and connect again when the network changes",
    hides="a longer read timer",
)


def test_local_path_loss(lab: Lab) -> None:
    """Take the route away, write, and read until it is given up."""
    conn, _ = lab.connected()
    route = BadRoute(kind="prohibit" if lab.variant == "prohibit" else "unreachable")
    with lab.fault(LinkDown() if lab.variant == "link-down" else route):
        conn.send(b"hello")
        conn.recv()
    conn.recv()
