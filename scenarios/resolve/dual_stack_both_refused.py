"""The name has an IPv6 and an IPv4 address, and both refuse.

Two SYNs, two RSTs, and one program that is told one thing. Most languages keep the error of one address only: Go that of the first, C,
Python and Rust that of the last. Node tells both, in an AggregateError whose own message is empty. And Java never tried IPv6: without
java.net.preferIPv6Addresses the IPv4 address comes first, and a Socket tries no other.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

ASKED = ["> UDP", "< UDP!"]
AGGREGATE = {"type": "AggregateError", "chain": ["AggregateError", "Error"], "message": ""}
ONCE = [*ASKED, "> S", "< RA"]

SCENARIO = Scenario(
    title="Both addresses of a name refuse",
    spec="https://www.rfc-editor.org/rfc/rfc8305#section-5",
    files=asking(),
    expected=[Expected("connect", "ECONNREFUSED", within=(0, 1.5), by_default=(0, 1.5))],
    wire=[*ONCE, "> S", "< RA"],
    wire_in={"java": ONCE, "java-nio": ONCE},
    never=["< SA"],
    counters={"client TcpAttemptFails": 2},
    counters_in={name: {"client TcpAttemptFails": 1} for name in ("java", "java-nio")},
    deviations=[
        Deviation(
            runtime="go", step=1, sees="ECONNREFUSED", words={"message": "dial tcp {remote6}: connect: {words}"},
            note="package net starts with the family that comes first, and reports its error (dialParallel)",
        ),
        Deviation(
            runtime="node", step=1, sees="ECONNREFUSED", words=AGGREGATE,
            note="net tries every address (autoSelectFamily), and puts the errors of all into one without words",
        ),
    ],
    same_words={"connect-refused-rst": "tcpdump: there one SYN is refused, here two"},
    production="localhost is ::1 and 127.0.0.1, and the service is down, or listens elsewhere",
    diagnose="getent ahosts NAME; ss -ltn on the server; in Node error.errors, in Python create_connection(all_errors=True)",
    cure="start the service, at the addresses its name has",
    hides="an address instead of the name",
)  # fmt: skip


def test_dual_stack_both_refused(lab: Lab) -> None:
    """Dial a name that has both kinds of address, with nobody listening at either."""
    with lab.fault(NameServer(addresses=lab.server.host.addresses)):
        lab.client.connect(address="both.test")
