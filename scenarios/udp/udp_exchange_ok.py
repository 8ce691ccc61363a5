"""Nothing goes wrong: a datagram there, a datagram back.

The null case of everything about datagrams. connect sends nothing, it only says whom one speaks with.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Datagrams there and back",
    spec="https://man7.org/linux/man-pages/man7/udp.7.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("send", bytes=4), Expected("recv", data="pong")],
    variants=["ipv6"],
    wire=["> UDP/4", "< UDP/4"],
    never=["< ICMP", "> ICMP", "> S"],
    null_of="udp",
)


def test_udp_exchange_ok(lab: Lab) -> None:
    """Ask, and be answered."""
    server = lab.server.bind(network="udp")
    conn = lab.client.connect(network="udp")
    conn.send(b"ping")
    server.recv()
    server.send(b"pong", to=conn.local)
    conn.recv()
