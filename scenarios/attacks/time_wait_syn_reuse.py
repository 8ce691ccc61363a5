"""A client dials again from the same port while the server is in TIME_WAIT, and is let in at once.

TIME_WAIT keeps stragglers of the old connection out of a new one. A SYN with a higher number, or a newer timestamp, cannot be a
straggler, so tcp_timewait_state_process gives the place to it (TCP_TW_SYN; RFC 6191): no RST, no error, no delay. That TIME_WAIT at a
server turns clients away is a tale.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A new SYN in TIME_WAIT",
    spec="https://www.rfc-editor.org/rfc/rfc6191#section-2",
    expected=[
        Expected("connect"),
        Expected("recv", "eof"),
        Expected("close"),
        Expected("connect", within=(0, 0.9), by_default=(0, 0.9)),
        Expected("recv", data="again"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "< FA", "> FA", "> S", "< SA", "< PA/5"],
    never=["> R*", "< R*"],
    counters={"server TcpPassiveOpens": 2, "client TcpRetransSegs": 0},
    production="a client that dials again from a fixed port; a NAT with few ports",
    diagnose="ss -tan state time-wait at the server; tcpdump: the SYN is answered with SYN-ACK",
    cure="none needed",
    hides="SO_LINGER of zero seconds, against a trouble that is none",
)


def test_time_wait_syn_reuse(lab: Lab) -> None:
    """The server closes first; dial again from the same port."""
    conn, peer = lab.connected(half_open=True)
    peer.close()
    conn.recv()
    peer.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    conn.close()
    peer.until("TIME_WAIT")
    conn.until("CLOSE")
    again = lab.client.connect(local=conn.local)
    lab.server.accept().send(b"again")
    again.recv()
