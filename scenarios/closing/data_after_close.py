"""The peer goes on sending after the program has closed, and the program's kernel answers for it: with a RST.

close gives up both directions, but there is a word for one of them only, the FIN. What comes then can never be read by anybody;
accepting it would lose it in silence (RFC 9293, 3.6.1). While the FIN is not acknowledged the socket itself answers
(tcp_rcv_state_process, TcpExtTCPAbortOnData), here, when it is, what stands for it (tcp_timewait_state_process). The program sees
nothing of this: it has closed.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Data for a closed socket",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.6.1",
    expected=[Expected("connect"), Expected("close")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA", "< A", "< PA/4", "> R"],
    never=["< F*", "< R*"],
    counters={"client TcpOutRsts": 1, "client TcpExtTCPAbortOnData": 0},
    production="a client that has read enough and closes; a server that answers before the upload is over",
    diagnose="tcpdump: the own FIN, data, the own RST; the peer logs: connection reset, or broken pipe",
    cure="shut down writing, read to the end of stream, then close",
    hides="ignoring the peer's complaint",
)


def test_data_after_close(lab: Lab) -> None:
    """Close; the peer, which has read nothing of it, sends."""
    conn, peer = lab.connected()
    conn.close()
    conn.until("FIN_WAIT2")
    peer.send(b"late")
    peer.until("CLOSE")
