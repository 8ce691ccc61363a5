"""Nothing goes wrong: the name server knows the name, and it has an address.

The null case of everything about names. Resolving is a conversation of the program's own, over UDP with whomever resolv.conf names; the
kernel knows nothing of names. Most programs ask for both families at once.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A name is resolved",
    spec="https://www.rfc-editor.org/rfc/rfc1034#section-5.3.1",
    files=asking(),
    expected=[Expected("resolve")],
    wire=["> UDP", "< UDP!"],
    never=["> S"],
    null_of="resolve",
)


def test_resolve_ok(lab: Lab) -> None:
    """Ask for the server's own addresses."""
    with lab.fault(NameServer(addresses=lab.server.host.addresses)):
        lab.client.resolve("server.test")
