"""A datagram is to be sent, and nobody has said where.

A socket for datagrams may be used without connect, if each call names a destination. Where neither was done udp_sendmsg says
EDESTADDRREQ; where the destination has the port 0, which nobody can have, EINVAL. Neither asks the network.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

RANGE = {"errno": "ERR_SOCKET_BAD_PORT", "type": "RangeError", "chain": ["RangeError"]}
PORT = "Port should be > 0 and < 65536. "
ZERO = "Received type number (0)."
ASKED = "dgram wants an address of each send of a socket that is not connected, and looks at it before the kernel does"

SCENARIO = Scenario(
    title="Datagram without destination",
    spec="https://man7.org/linux/man-pages/man2/send.2.html#ERRORS",
    expected=[Expected("bind"), Expected("send", "EDESTADDRREQ"), Expected("send", "EINVAL", syscall="sendto")],
    variants=["ipv6"],
    never=["> UDP", "< *"],
    deviations=[
        Deviation(runtime="node", step=2, sees="BADPORT", words={**RANGE, "message": PORT + "Received function ."}, note=ASKED),
        Deviation(runtime="node", step=3, sees="BADPORT", words={**RANGE, "message": PORT + ZERO}, note=ASKED),
    ],
    production="a connect that was forgotten, or whose failure was ignored; a port that was never configured",
    diagnose="strace -e trace=connect,sendto",
    cure="connect, or sendto with an address and a port",
    hides="nothing: it fails every time",
)


def test_udp_no_destination(lab: Lab) -> None:
    """Send to nobody, and to port 0."""
    sock = lab.client.bind(0, network="udp")
    sock.send(b"lost")
    sock.send(b"lost", to=(lab.server.address, 0))
