"""A connection is dialled to an address that is nobody's in particular.

TCP is between two. There is a route to a broadcast or multicast address, but tcp_v4_connect looks at what kind it is
(RTCF_BROADCAST, RTCF_MULTICAST), and tcp_v6_connect at the address: ENETUNREACH at once, as if there was no route. IpOutNoRoutes
stays at 0: there was one.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="TCP to a broadcast or multicast address",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-104",
    expected=[Expected("connect", "ENETUNREACH", within=(0, 0.5), by_default=(0, 0.5), at_once=True)],
    variants=["ipv6", "multicast"],
    never=["> S", "> ARP"],
    counters={"client IpOutNoRoutes": 0, "client Ip6OutNoRoutes": 0, "client TcpActiveOpens": 0},
    same_words={
        "udp-broadcast-eacces": "the protocol: there datagrams, and SO_BROADCAST was not set",
        "connect-no-route": "ip route get ADDRESS finds a route here, of type broadcast or multicast",
        "connect-icmp-net-unreach": "the capture: there a SYN leaves and an ICMP error answers",
    },
    production="a placeholder or mask error in a configuration; discovery addresses used for a connection",
    diagnose="ip route get ADDRESS",
    cure="the address of a host; UDP for broadcast and multicast",
    hides="adding routes",
)


def test_connect_broadcast_multicast(lab: Lab) -> None:
    """Dial everybody on the link."""
    address = lab.broadcast
    if lab.variant == "multicast":
        lab.client.host.route("add", "224.0.0.0/4", dev="eth0")
        address = "224.0.0.1"
    lab.client.connect(address=address)
