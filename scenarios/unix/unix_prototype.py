"""A socket for datagrams connects to a path where somebody listens for streams.

The file says nothing about the kind; unix_find_bsd compares it with the socket that is found: EPROTOTYPE. Loggers meet it, of which
some speak datagrams, some streams.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

GRAM = {"message": "dial unixgram {remote_ip}: connect: {words}"}
GVISOR = "in gVisor the listener itself refuses (UnidirectionalConnect)"

SCENARIO = Scenario(
    title="A path of another kind",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#ERRORS",
    expected=[Expected("listen"), Expected("connect", "EPROTOTYPE", at_once=True)],
    never=["> *", "< *"],
    deviations=[
        Deviation(runtime="go", step=2, sees="EPROTOTYPE", note="a network of its own name in package net", words=GRAM),
        Deviation(stack="gvisor", step=2, sees="ECONNREFUSED", note=GVISOR),
        Deviation(runtime="go", stack="gvisor", step=2, sees="ECONNREFUSED", note=GVISOR, words=GRAM),
    ],
    production="syslog, whose /dev/log is one or the other",
    diagnose="ss -xl src PATH: u_str or u_dgr",
    cure="the kind that the listener has",
    hides="trying both without saying so",
)


def test_unix_prototype(lab: Lab) -> None:
    """Listen for streams, connect for datagrams."""
    path = lab.client.place()
    lab.client.listen(address=path, network="unix")
    lab.client.connect(address=path, network="unix", type="dgram")
