"""A client connects to itself: its local port happens to be the very port it dials.

Nobody listens on a port of the ephemeral range, on this very host. The kernel picks a local port, and when it is the one dialled the SYN
meets its own socket: a simultaneous open of one socket with itself (RFC 9293, figure 8). connect succeeds, and what is written comes
back. Here luck is taken out of it: the client asks for the port it dials, or there is no other (by-luck). Go closes such a connection and
dials again.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

PORT = 45000

SCENARIO = Scenario(
    title="A socket connects to itself",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.5-7",
    expected=[Expected("connect"), Expected("send", bytes=4), Expected("recv", bytes=4, data="echo")],
    expected_in={"by-luck": [Expected("connect")]},
    variants=["ipv6", "by-luck"],
    settings={"net.ipv4.ip_local_port_range": f"{PORT} {PORT}"},
    wire_in={"by-luck": ["> S", "> SA"]},
    wire=["> S", "> SA", "> PA"],
    deviations=[
        Deviation(
            runtime="go",
            variant="by-luck",
            step=1,
            sees="EADDRNOTAVAIL",
            note="package net closes a connection to itself and dials again (selfConnect); the TIME_WAIT of the first has the only port",
        ),
    ],
    same_words={"simultaneous-open": "the addresses: there they are those of two hosts"},
    production="a client that reconnects in a loop to a service of its own host that is down",
    diagnose="ss -tn: local and peer address are the same",
    cure="keep listeners out of ip_local_port_range; compare both addresses after connecting",
    hides="restarting the client",
)


def test_self_connect(lab: Lab) -> None:
    """Connect to a port of our own from that port; or from whichever the kernel finds, where there is one only."""
    if lab.variant == "by-luck":
        lab.client.connect(PORT, address=lab.client.address)
        return
    conn = lab.client.connect(PORT, address=lab.client.address, local=(lab.client.address, PORT))
    conn.send(b"echo")
    conn.recv()
