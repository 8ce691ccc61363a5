"""A socket that was never connected is read, and so is a connected one whose interface is down: neither says that the network is down.

ENETDOWN belongs to what talks to an interface itself, like a packet socket. tcp_recvmsg_locked asks the state first: CLOSE, without a FIN
behind it, is ENOTCONN. A connection does not know its interface at all, so a read of it waits as ever; and a new connect finds no route,
for routes go with the interface.
"""

from faultlab.faults.link import LinkDown
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: reading unconnected: network is down",
    spec="https://man7.org/linux/man-pages/man2/recv.2.html#ERRORS",
    claim="Reading a socket that is not connected fails with 'network is down'.",
    judged="false",
    expected=[Expected("socket"), Expected("recv", "ENOTCONN")],
    expected_in={
        "link-down": [
            Expected("connect"),
            Expected("recv", "blocked"),
            Expected("connect", "ENETUNREACH", within=(0, 0.5), by_default=(0, 0.5), at_once=True),
            Expected("recv", data="still here"),
        ]
    },
    variants=["ipv6", "link-down"],
    wire_in={"link-down": ["> S", "< SA", "> A", "< PA/10"]},
    never=["< R*", "> R*", "> F*", "< F*"],
    production="a text that was looked up and not seen",
    diagnose="strace: what recvfrom returns; ip link for the interface",
    cure="look at what connect returns",
    hides="taking every error of a read for the network's",
)


def test_myth_enetdown_unconnected(lab: Lab) -> None:
    """Read an unconnected socket; or a connection while the interface is down, and dial then."""
    if lab.variant != "link-down":
        lab.client.socket().recv()
        return
    conn, peer = lab.connected()
    reading = conn.start("recv")
    with lab.fault(LinkDown()):
        reading.waiting()
        reading.blocked(0.1)
        lab.client.connect()
    peer.send(b"still here")
    reading.result()
