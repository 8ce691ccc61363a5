"""The name exists, but has no address.

The answer says NOERROR and is empty (RFC 2308, section 2.2), to the question for IPv4 and to the one for IPv6. glibc has a code of its own
for that, EAI_NODATA; musl and Go make no difference between it and a name that does not exist.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A name without an address",
    spec="https://www.rfc-editor.org/rfc/rfc2308#section-2.2",
    files=asking(),
    expected=[Expected("resolve", "EAI_NODATA")],
    wire=["> UDP", "< UDP!"],
    never=["> S", "< ICMP"],
    same_words={"dns-nxdomain": "dig NAME: there the status is NXDOMAIN"},
    production="a name with an AAAA record only, asked for its A; a domain that has mail but no web site",
    diagnose="dig NAME A; dig NAME AAAA: status NOERROR, ANSWER: 0",
    cure="add the record, or ask for the family that there is",
    hides="retrying",
)


def test_dns_nodata(lab: Lab) -> None:
    """Ask for a name that has no address."""
    with lab.fault(NameServer()):
        lab.client.resolve("empty.test")
