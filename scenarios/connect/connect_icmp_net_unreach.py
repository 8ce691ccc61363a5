"""A router that knows no route answers the SYN with ICMP net unreachable.

In SYN_SENT Linux takes the error for final (tcp_v4_err); net unreachable and net prohibited both stand for ENETUNREACH
(icmp_err_convert), and so does no route of ICMPv6 (icmpv6_err_convert). A route missing on this very host gives the same errno,
but then nothing leaves.
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="ICMP net unreachable answers the SYN",
    spec="https://www.rfc-editor.org/rfc/rfc1812#section-5.2.7.1",
    expected=[Expected("connect", "ENETUNREACH", within=(0, 0.8), by_default=(0, 0.8))],
    variants=["ipv6", "prohibited"],
    wire=["> S", "< ICMP net-unreachable!"],
    wire_in={"ipv6": ["> S", "< ICMP no-route!"], "prohibited": ["> S", "< ICMP net-prohibited!"]},
    never=["< S*", "< R*"],
    counters={"client TcpExtLockDroppedIcmps": 0, "client TcpAttemptFails": 1},
    same_words={
        "connect-no-route": "ip route get ADDRESS on the client fails there; and no SYN leaves",
        "connect-broadcast-multicast": "the address; and no SYN leaves",
    },
    production="a router that lost its route, a network that is not announced any more",
    diagnose="tcpdump icmp: the router that sent it; traceroute",
    cure="mend the routing at that router",
    hides="retrying",
)


def test_connect_icmp_net_unreach(lab: Lab) -> None:
    """Connect through a router that has no route onwards, or may not use it."""
    with lab.fault(IcmpAnswer(kind="net-prohibited" if lab.variant == "prohibited" else "net-unreachable", kind6="no-route")):
        lab.client.connect()
