"""No name server is there: its port is closed, or there is no way to it.

The question is a datagram to a port where nobody listens; the host says so by ICMP, and a connected UDP socket learns of it
(ECONNREFUSED). glibc and Go connect theirs and give up at once. musl does not, so it waits for its timer. Without a route nothing leaves
at all, with the same end.
"""

from faultlab.faults.resolver import asking
from faultlab.faults.routes import BadRoute
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.testbed import nothing

SCENARIO = Scenario(
    title="No name server there",
    spec="https://www.rfc-editor.org/rfc/rfc1122#section-4.1.3.3",
    files=asking("timeout:1 attempts:1"),
    expected=[Expected("resolve", "ECONNREFUSED", within=(0, 2.0), by_default=(0, 2.0))],
    expected_in={"no-route": [Expected("resolve", "ENETUNREACH", within=(0, 2.0), by_default=(0, 2.0), syscall="connect")]},
    variants=["no-route"],
    wire=["> UDP", "< ICMP port-unreachable"],
    wire_in={"no-route": []},
    never=["> S"],
    never_in={"no-route": ["> *", "< *"]},
    same_words={
        "dns-servfail": "tcpdump port 53: there an answer comes",
        "dns-no-server": "tcpdump: there the questions stay on the loopback",
    },
    production="a container without a name server; resolv.conf names 127.0.0.53, and nothing listens there; a VPN that is down",
    diagnose="cat /etc/resolv.conf; dig @SERVER NAME: connection refused; ip route get SERVER",
    cure="start the resolver, or name one that is there",
    hides="names in /etc/hosts",
)


def test_dns_server_unreachable(lab: Lab) -> None:
    """Ask where nobody listens; or where no route leads."""
    with lab.fault(BadRoute(kind="none")) if lab.variant == "no-route" else nothing():
        lab.client.resolve("any.test")
