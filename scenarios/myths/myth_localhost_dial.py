"""A program dials localhost by its name, and is connected.

A name is as good as an address: the resolver finds it in /etc/hosts, and what it finds is dialled, one after the other. ::1 comes first
where it is listed, and a server that listens at 127.0.0.1 only refuses there; most languages then try the next. What does fail is an
address without a port.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: localhost cannot be dialled",
    spec="https://www.rfc-editor.org/rfc/rfc6761#section-6.3",
    files={"/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n"},
    claim="An address to dial must be numeric: localhost:8080 does not work.",
    judged="false",
    expected=[Expected("listen"), Expected("connect")],
    never=["< ICMP"],
    counters={"client TcpPassiveOpens": 1},
    production="development machines, where everything is at localhost",
    diagnose="getent ahosts localhost; ss -ltn: at which of the two does the server listen?",
    cure="listen at both families, or dial the one that is listened at",
    hides="127.0.0.1 in every configuration",
)


def test_myth_localhost_dial(lab: Lab) -> None:
    """Listen at the loopback and dial it by name."""
    lab.client.listen(address="127.0.0.1")
    lab.client.connect(address="localhost")
