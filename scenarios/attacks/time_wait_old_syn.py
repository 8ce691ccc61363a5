"""A SYN that might be a straggler meets TIME_WAIT: it is answered with the old connection's ACK, and only the next SYN is let in.

Its number is below what the server expects, and no newer timestamp speaks for it, so tcp_timewait_state_process sends the ACK that is
due. The client, in SYN_SENT, knows nothing of that number and answers with a RST, which ends the TIME_WAIT (net.ipv4.tcp_rfc1337 is
off). Its SYN is sent again a second later, and finds a listener. So the connect takes a second; no error is seen at either end.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="An old SYN in TIME_WAIT",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    observe="server",
    expected=[Expected("listen"), Expected("accept"), Expected("close"), Expected("accept")],
    variants=["ipv6"],
    wire=["> S!", "< SA", "> A!", "< FA", "> FA!", "< A", "> S!", "< A", "> R!", "> S!", "< SA", "> A!"],
    never=["< R*"],
    counters={"server TcpPassiveOpens": 2},
    production="clients behind one NAT address, whose numbers and clocks know nothing of each other",
    diagnose="tcpdump: SYN, ACK, RST, and a second later SYN, SYN-ACK; ss -tan state time-wait",
    cure="net.ipv4.tcp_timestamps=1 at both ends; more ports, or addresses, at the NAT",
    hides="a longer timer at the client",
)


def test_time_wait_old_syn(lab: Lab) -> None:
    """The server closes first; its client dials again with a number that is too low."""
    lab.server.listen()
    with lab.scripted("client") as client:
        client.send("S")
        client.expect("SA")
        client.send("A")
        conn = lab.server.accept()
        conn.close()
        client.expect("FA")
        client.send("FA")
        client.expect("A")
        conn.until("TIME_WAIT")
        client.send("S")
        client.expect("A")
        client.send("R", seq=1)
        conn.until("CLOSE")
        client.send("S")
        client.expect("SA")
        client.send("A")
        lab.server.accept()
