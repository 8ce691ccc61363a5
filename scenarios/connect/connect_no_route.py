"""There is no route to the destination, so the kernel refuses before any packet is made.

The route lookup of connect finds nothing (ip_route_connect): ENETUNREACH at once, and a counter for it. A router on the way that has no
route says it by ICMP and gives the same errno, only later. An interface that is down takes its routes along, so it looks like this too.
"""

from faultlab.faults.routes import BadRoute
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="No route to the destination",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#ERRORS",
    expected=[Expected("connect", "ENETUNREACH", within=(0, 0.5), by_default=(0, 0.5), at_once=True)],
    variants=["ipv6"],
    never=["> S"],
    same_words={
        "connect-icmp-net-unreach": "the capture: there a SYN leaves and an ICMP error answers; here nothing leaves",
        "connect-broadcast-multicast": "ip route get ADDRESS finds a route there, of type broadcast or multicast",
    },
    production="no default gateway, an interface that is down, a container without a network",
    diagnose="ip route get ADDRESS; nstat IpOutNoRoutes",
    cure="mend the route or the interface",
    hides="retrying",
)


def test_connect_no_route(lab: Lab) -> None:
    """Take the route away, then connect."""
    with lab.fault(BadRoute(kind="none")):
        lab.client.connect()
