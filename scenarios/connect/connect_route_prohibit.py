"""The route to the destination says "prohibit", and connect is denied like a file without permission.

The route lookup of connect finds a route, and its kind is an error: prohibit stands for EACCES (fib_props; fib6_prop
for IPv6). Nothing is sent. No capability and no file mode is involved, whatever the words say.
"""

from faultlab.faults.routes import BadRoute
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A prohibit route",
    spec="https://man7.org/linux/man-pages/man8/ip-route.8.html#DESCRIPTION",
    expected=[Expected("connect", "EACCES", within=(0, 0.5), by_default=(0, 0.5), at_once=True)],
    variants=["ipv6"],
    never=["> S"],
    counters={"client TcpActiveOpens": 0},
    same_words={
        "connect-icmp6-admin-prohibited": "the capture: there a SYN leaves and an ICMPv6 error answers; here nothing leaves",
        "bind-privileged-port": "the operation: there it is the bind of a port below 1024",
    },
    production="policy routing, a VPN or container network that forbids a destination",
    diagnose="ip route get ADDRESS: Permission denied",
    cure="take the route or the rule away",
    hides="running the program as root",
)


def test_connect_route_prohibit(lab: Lab) -> None:
    """Prohibit the destination, then connect."""
    with lab.fault(BadRoute(kind="prohibit")):
        lab.client.connect()
