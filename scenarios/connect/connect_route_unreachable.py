"""The route to the destination says "unreachable".

The route lookup of connect finds a route, and its kind is an error: unreachable stands for EHOSTUNREACH (fib_props;
fib6_prop for IPv6). Nothing is sent, so nothing answers: this host itself refuses, at once.
"""

from faultlab.faults.routes import BadRoute
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="An unreachable route",
    spec="https://man7.org/linux/man-pages/man8/ip-route.8.html#DESCRIPTION",
    expected=[Expected("connect", "EHOSTUNREACH", within=(0, 0.5), by_default=(0, 0.5), at_once=True)],
    variants=["ipv6"],
    never=["> S"],
    counters={"client TcpActiveOpens": 0},
    same_words={
        "connect-icmp-host-unreach": "the capture: there a SYN leaves and an ICMP error answers; here nothing leaves",
        "connect-arp-fail": "the time: it takes 3 s there; and ip neigh says FAILED",
    },
    production="a VPN that shuts everything else off; a cluster network's route for addresses nobody has",
    diagnose="ip route get ADDRESS: No route to host",
    cure="take the route away, or put a more specific one beside it",
    hides="retrying",
)


def test_connect_route_unreachable(lab: Lab) -> None:
    """Make the destination unreachable, then connect."""
    with lab.fault(BadRoute(kind="unreachable")):
        lab.client.connect()
