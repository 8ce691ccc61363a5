"""The name server keeps silent, and the dial's own timer ends the lookup, too.

DialContext and Dialer.Timeout hand what is left of their time to the resolver (net.Dialer.DialContext, Resolver.lookupIPAddr), so that
the dial fails when the timer says, in the middle of a lookup that the resolver's own timers would carry on for seconds. The words name
the lookup, and no server.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: a dial's timer does not bound DNS",
    spec="https://pkg.go.dev/net#Dialer",
    only=["go"],
    files=asking("timeout:5 attempts:2"),
    claim="The time limit of a dial does not hold for its name lookup, which may hang without a word.",
    judged="false",
    expected=[Expected("connect", "DEADLINE", within=(0.28, 0.9), by_default=(0.28, 0.9), syscall="getaddrinfo")],
    wire=["> UDP"],
    never=["> S", "< *"],
    production="a dead name server; true in languages that look up before their timer starts",
    diagnose="the word lookup in the error; tcpdump port 53: questions, no answers",
    cure="DialContext, or Dialer.Timeout",
    hides="a lookup of one's own before the dial",
)


def test_myth_dns_unbounded_ctx(lab: Lab) -> None:
    """Dial a name with a timer of 0.3 s; its name server never answers."""
    with lab.fault(NameServer(says="")):
        lab.client.connect(address="silent.test", deadline=0.3)
