"""The name cannot be a name, so nobody is asked.

A label between two dots has from 1 to 63 bytes (RFC 1035, section 2.3.4), and here one is empty. The resolver finds that out when it
writes the question, and calls it an unknown name. Python encodes the name before it asks and fails there, with an error that is no OSError
at all.
"""

from faultlab.faults.resolver import asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A name that is none",
    spec="https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4",
    files=asking(),
    expected=[Expected("resolve", "BADNAME", within=(0, 0.5), by_default=(0, 0.5))] * 2,
    never=["> *", "< *"],
    same_words={"dns-nxdomain": "tcpdump port 53: there the question is seen"},
    production="a host name from a form or a configuration, with two dots or a long random part",
    diagnose="tcpdump port 53: nothing is asked",
    cure="check names where they come in; in Python catch UnicodeError too",
    hides="a default host",
)


def test_dns_invalid_name(lab: Lab) -> None:
    """Resolve a name with an empty label, and one with a label of 70 bytes."""
    lab.client.resolve("a..b")
    lab.client.resolve("x" * 70 + ".test")
