"""Nothing goes wrong: the address is this host's, the port is free, the socket listens.

The null case of everything about binding and listening. No packet is needed for it.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A socket listens",
    spec="https://man7.org/linux/man-pages/man2/listen.2.html#DESCRIPTION",
    expected=[Expected("listen")],
    variants=["ipv6"],
    never=["> S", "< S"],
    null_of="bind",
)


def test_bind_ok(lab: Lab) -> None:
    """Listen at the own address."""
    lab.client.listen()
