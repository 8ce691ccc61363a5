"""A client connects and resets before the server has called accept; accept hands out the dead connection.

The connection waits in the queue, and its reset is noted there (tcp_reset). inet_csk_accept takes the first of the queue without a look at
its state or error: accept succeeds, and the first read is what fails. Whose connection it was cannot be asked of the kernel any more
(getpeername: ENOTCONN); only what accept itself returned says so. Other systems refuse in accept, with ECONNABORTED.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Reset while waiting to be accepted",
    spec="https://man7.org/linux/man-pages/man2/accept.2.html#DESCRIPTION",
    observe="server",
    expected=[Expected("listen"), Expected("accept"), Expected("recv", "ECONNRESET")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> RA"],
    never=["< R*", "> F*"],
    counters={"server TcpEstabResets": 1},
    same_words={"read-reset": "the capture: there the reset comes after the accept"},
    production="a load balancer's health check that connects and resets; a port scanner",
    diagnose="tcpdump: the RST comes right after the handshake; strace: getpeername says ENOTCONN",
    cure="take the address from accept, and a failed first read for nothing special",
    hides="no check at all",
)


def test_rst_in_accept_queue(lab: Lab) -> None:
    """The client comes and resets; accept then, and read."""
    lab.server.listen()
    conn = lab.client.connect()
    conn.far_end.until("ESTABLISHED")
    conn.option("linger", 0)
    conn.close()
    conn.far_end.until("CLOSE")
    lab.server.accept().recv()
