"""One client connects and resets before it is accepted, another one waits behind it, and accept fails for neither.

Linux hands the dead connection out (inet_csk_accept takes the first of the queue, whatever its state), and its first read says
ECONNRESET. Then comes the living one. BSD and macOS are said to answer ECONNABORTED from accept instead; no record from there is in this
catalogue.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: accept says ECONNABORTED",
    spec="https://man7.org/linux/man-pages/man2/accept.2.html#ERRORS",
    observe="server",
    claim="Where a client resets before it is accepted, accept fails with ECONNABORTED.",
    judged="true only on macOS and BSD",
    expected=[Expected("listen"), Expected("accept"), Expected("recv", "ECONNRESET"), Expected("accept"), Expected("recv", data="hello")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> RA", "> S", "< SA", "> PA/5"],
    never=["< R*"],
    counters={"server TcpEstabResets": 1, "server TcpPassiveOpens": 2},
    production="health checks and scanners that reset; an accept loop that waits for an error that never comes",
    diagnose="strace -e trace=accept4,recvfrom",
    cure="take a failed first read for nothing special, and ECONNABORTED of accept too",
    hides="ending the accept loop at any error",
)


def test_myth_accept_econnaborted_linux(lab: Lab) -> None:
    """A client comes and resets, another one comes and stays; accept both."""
    lab.server.listen()
    dead = lab.client.connect()
    dead.far_end.until("ESTABLISHED")
    dead.option("linger", 0)
    dead.close()
    dead.far_end.until("CLOSE")
    alive = lab.client.connect()
    alive.far_end.until("ESTABLISHED")
    alive.send(b"hello")
    lab.server.accept().recv()
    lab.server.accept().recv()
