"""Nobody is at the datagram's port, an answer says so, and the program is not told.

A socket that is not connected may speak with many, and an error without an address would be of no use to it: __udp4_lib_err drops it,
unless IP_RECVERR asked for it. So every send succeeds, and the answer is waited for in vain.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

GVISOR = "gVisor looks for a socket to tell only among those that are connected, whatever IP_RECVERR says (udp endpoint, HandleError)"

SCENARIO = Scenario(
    title="Datagram lost in silence",
    spec="https://man7.org/linux/man-pages/man7/udp.7.html#DESCRIPTION",
    expected=[Expected("bind"), Expected("send", bytes=3), Expected("send", bytes=3), Expected("recv", "blocked")],
    deviations=[Deviation(stack="gvisor", variant="recverr", step=4, sees="blocked", note=GVISOR)],
    expected_in={"recverr": [Expected("bind"), Expected("option"), Expected("send", bytes=3), Expected("recv", "ECONNREFUSED")]},
    variants=["ipv6", "recverr"],
    wire=["> UDP/3", "< ICMP port-unreachable", "> UDP/3", "< ICMP port-unreachable"],
    wire_in={"recverr": ["> UDP/3", "< ICMP port-unreachable"]},
    same_words={"udp-connected-refused": "strace: no connect, sendto with an address; only with IP_RECVERR the words are the same"},
    production="metrics and logs that nobody misses for weeks",
    diagnose="tcpdump icmp; nstat UdpNoPorts at the receiver",
    cure="connect the socket, or set IP_RECVERR; an answer in the protocol",
    hides="sending more often",
)


def test_udp_unconnected_silent(lab: Lab) -> None:
    """Send twice where nobody is, and wait for an answer; or ask for errors first."""
    sock = lab.client.bind(0, network="udp")
    target = (lab.server.address, 9000)
    if lab.variant == "recverr":
        sock.option("recverr", True)
        sock.send(b"one", to=target)
        sock.start("recv").blocked(10)  # it is not: the error ends it
        return
    sock.send(b"one", to=target)
    lab.until_wire("< ICMP port-unreachable")
    sock.send(b"two", to=target)
    lab.until_wire("< ICMP port-unreachable", times=2)
    sock.start("recv").blocked(0.2)
