"""Nothing goes wrong: a listener answers, and the connection is there.

The null case of everything about connecting. SYN, SYN-ACK, ACK; connect returns when the SYN-ACK has come, whether or not anybody has
called accept yet: the kernel completes connections on behalf of a listening socket.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A connection is made",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.5",
    expected=[Expected("connect")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A"],
    never=["> R*", "< R*"],
    null_of="connect",
)


def test_connect_ok(lab: Lab) -> None:
    """Listen, connect, accept."""
    lab.server.listen()
    lab.client.connect()
    lab.server.accept()
