"""The port is too large for a port.

A port has 16 bits on the wire (RFC 9293, section 3.1), and 99999 has 17. Most languages see that before anything is sent, each in its own
way: most not with the class that network errors have. C does not look: glibc's getaddrinfo cuts off what is too much, and port 34463 is
dialled, where nobody listens.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A port that is none",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.1",
    expected=[Expected("connect", "BADPORT", within=(0, 0.5), by_default=(0, 0.5))],
    variants=["ipv6"],
    never=["< SA"],
    same_words={"connect-refused-rst": "ss or strace: the port that was really dialled"},
    production="a port from a configuration that nobody checked",
    diagnose="the class of the error: no errno, no address in it; in C strace -e trace=connect",
    cure="check it where it comes in",
    hides="a default port",
)


def test_dial_address_parse(lab: Lab) -> None:
    """Dial port 99999."""
    lab.client.connect(99999)
