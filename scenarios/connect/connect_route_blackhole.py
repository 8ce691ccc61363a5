"""The route to the destination is a black hole, and connect says that the argument is invalid.

A router drops in silence what its blackhole route matches. For packets of its own the lookup itself fails, and the errno of that
kind is EINVAL (fib_props; fib6_prop for IPv6): no silence, no timeout, but words that make one look for a bug in the
program.
"""

from faultlab.faults.routes import BadRoute
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A blackhole route",
    spec="https://man7.org/linux/man-pages/man8/ip-route.8.html#DESCRIPTION",
    expected=[Expected("connect", "EINVAL", within=(0, 0.5), by_default=(0, 0.5), at_once=True)],
    variants=["ipv6"],
    never=["> S"],
    counters={"client TcpActiveOpens": 0},
    same_words={
        "connect-loopback-source": "the local address of the socket is a loopback address there",
        "connect-linklocal-no-scope": "the address dialled begins with fe80 and names no interface there",
        "connect-family-mismatch": "strace: the families of socket and address differ there",
    },
    production="null routing of an attacked or unwanted address",
    diagnose="ip route get ADDRESS: Invalid argument",
    cure="take the route away",
    hides="changing the program's arguments",
)


def test_connect_route_blackhole(lab: Lab) -> None:
    """Route the destination into a black hole, then connect."""
    with lab.fault(BadRoute(kind="blackhole")):
        lab.client.connect()
