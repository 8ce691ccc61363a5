"""The name server does not answer people like us.

Code 5, refused: its rules do not let this client ask. The resolver would try the next server; there is none, so it is temporary to it
(EAI_AGAIN), though nothing will change by waiting.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="The name server refuses",
    spec="https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1",
    files=asking("timeout:3 attempts:2"),
    expected=[Expected("resolve", "EAI_AGAIN", within=(0, 4.5), by_default=(0, 4.5))],
    wire=["> UDP", "< UDP!"],
    never=["> S", "< ICMP"],
    same_words={"dns-servfail": "dig NAME: there the status is SERVFAIL"},
    production="a resolver that serves its own network only, asked from outside or through a VPN",
    diagnose="dig @SERVER NAME: status REFUSED",
    cure="ask the name server of one's own network; mend the server's rules",
    hides="retrying",
)


def test_dns_refused(lab: Lab) -> None:
    """Ask a name server that refuses."""
    with lab.fault(NameServer(says="REFUSED")):
        lab.client.resolve("foreign.test")
