"""The port was never set, and a SYN goes to port 0.

Port 0 means "any" to bind, and nothing to connect: Linux sends the SYN as it is told (tcp_v4_connect has no check), and the peer
refuses it, since nothing can listen on port 0. So a variable that nobody filled in reads like a service that is down.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="A connection to port 0",
    spec="https://www.rfc-editor.org/rfc/rfc6335#section-6",
    expected=[Expected("connect", "ECONNREFUSED", within=(0, 0.5), by_default=(0, 0.5))],
    deviations=[
        Deviation(
            runtime="node", step=1, sees="ECONNREFUSED", words={"message": "connect ECONNREFUSED {remote_ip}"},
            note="a port of 0 is left out of the message (ExceptionWithHostPort)",
        ),
    ],
    variants=["ipv6"],
    wire=["> S", "< RA"],
    never=["< SA"],
    counters={"client TcpAttemptFails": 1},
    same_words={"connect-refused-rst": "the port in the capture, and in the words of those languages that print it"},
    production="a port variable that was not set; a parse error taken for a number",
    diagnose="tcpdump tcp port 0",
    cure="refuse port 0 when the configuration is read",
    hides="restarting the service, which is well",
)


def test_connect_port_zero(lab: Lab) -> None:
    """Dial port 0 of a host that listens elsewhere."""
    lab.server.listen()
    lab.client.connect(0)
    assert lab.until_wire("< RA").sport == 0
