"""The name server says that there is no such name.

Its answer carries the code 3 (RFC 1035, section 4.1.1): the name does not exist, whatever kind of record is asked for. getaddrinfo makes
EAI_NONAME of it. No connection is tried, and there is no errno: the kernel has done nothing wrong, and neither has the network.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="No such name",
    spec="https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1",
    files=asking(),
    expected=[Expected("resolve", "EAI_NONAME")],
    wire=["> UDP", "< UDP!"],
    never=["> S", "< ICMP"],
    same_words={
        "dns-nodata": "dig NAME: there the status is NOERROR, and the answer is empty",
        "dns-invalid-name": "tcpdump port 53: there nobody is asked",
    },
    production="a typing error, a record that was deleted, a wrong search domain",
    diagnose="dig NAME: status NXDOMAIN; tcpdump port 53 shows the name that was really asked for",
    cure="mend the name or the record; asking again helps only once that is done",
    hides="retrying",
)


def test_dns_nxdomain(lab: Lab) -> None:
    """Ask for a name that does not exist."""
    with lab.fault(NameServer(says="NXDOMAIN")):
        lab.client.resolve("missing.test")
