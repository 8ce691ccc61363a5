"""The name server could not find out.

Code 2, server failure: whom it asked in turn is silent, wrong, or signed badly. That says nothing about the name, so the resolver calls it
temporary (EAI_AGAIN). glibc and Go ask as often as `attempts` says, at once, and give up. musl asks twice more for each attempt, and
then waits until its timer has run out all the same (__res_msend_rc), which takes three seconds here and five by default.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="The name server fails",
    spec="https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1",
    files=asking("timeout:3 attempts:2"),
    expected=[Expected("resolve", "EAI_AGAIN", within=(0, 4.5), by_default=(0, 4.5))],
    wire=["> UDP", "< UDP!"],
    never=["> S", "< ICMP"],
    same_words={
        "dns-refused": "dig NAME: there the status is REFUSED",
        "dns-timeout": "the time, and tcpdump port 53: there no answer comes",
        "dns-server-unreachable": "tcpdump: there an ICMP error comes, or nothing leaves",
    },
    production="a broken upstream server, an expired signature (DNSSEC)",
    diagnose="dig NAME: status SERVFAIL; dig +trace NAME; dig +cd NAME leaves the signatures out",
    cure="mend the zone or its server; a second name server",
    hides="retrying",
)


def test_dns_servfail(lab: Lab) -> None:
    """Ask a name server that fails."""
    with lab.fault(NameServer(says="SERVFAIL")):
        lab.client.resolve("broken.test")
