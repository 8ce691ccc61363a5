"""Segments arrive that look like an end of the connection being made, and are not.

In SYN_SENT only what acknowledges the SYN counts (tcp_rcv_synsent_state_process). A RST without ACK says nothing about the SYN,
and neither ACK nor FIN opens anything: thrown away. What acknowledges something never sent belongs to an older connection: it is
answered by a RST that kills that one, and the SYN is repeated at once (TCP_TIMEOUT_MIN); if it is a RST itself, it is not even
answered. A stray RST cannot refuse a connect, and a peer that rebooted is talked into a new connection.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Segments that do not end a connect",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.3",
    expected=[Expected("connect", within=(0, 6), by_default=(0, 6))],
    variants=["ipv6"],
    wire=["> S", "< R!", "< A!", "< FA!", "< SA!", "> R", "> S", "< RA!", "< SA!", "> A"],
    never=["> F*"],
    counters={"client TcpActiveOpens": 1, "client TcpAttemptFails": 0},
    same_words={"connect-ok": "the capture: nothing strange comes before the SYN-ACK there"},
    production="a peer that rebooted and still knows the old connection; a blind attacker; a late duplicate",
    diagnose="tcpdump: a RST whose acknowledgement is not that of the SYN",
    cure="none is needed: this is the protection at work",
    hides="a firewall that drops what it thinks invalid: then the old connection at the peer is never cleared away",
)


def test_syn_sent_bad_segments(lab: Lab) -> None:
    """Answer the SYN with everything but a SYN-ACK, and at last with one."""
    with lab.scripted() as peer:
        _, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("R")
        peer.send("A")
        peer.send("FA")
        peer.send("SA", ack=5)
        peer.expect("R")
        peer.expect("S")
        peer.send("RA", ack=5)
        peer.send("SA")
        peer.expect("A")
        connecting.result()
