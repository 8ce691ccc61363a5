"""A segment arrives that carries a timestamp older than the last one; it is acknowledged again and thrown away.

Numbers wrap around, and a straggler from the last round may fit into the window. The timestamp tells (RFC 7323, section 5):
tcp_validate_incoming drops what is older than what it has seen, however right its number is. Where two hosts stand behind one address,
or a middlebox writes timestamps of its own, the right segments go the same way: the connection hangs, and no counter of errors rises
but one.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A segment from the past",
    spec="https://www.rfc-editor.org/rfc/rfc7323#section-5.3",
    expected=[Expected("connect"), Expected("recv", data="new")],
    variants=["ipv6"],
    wire=["> S", "< SA!", "> A", "< PA!/3", "> A", "< PA!/3"],
    never=["> R*", "< R*"],
    counters={"client TcpExtPAWSEstab": 1},
    same_words={"read-hang-silent-peer": "tcpdump: here segments come, and the same acknowledgement answers each of them"},
    production="a load balancer or NAT that merges clients; a middlebox that rewrites timestamps",
    diagnose="nstat TcpExtPAWSEstab; tcpdump: TS val that goes back",
    cure="keep hosts apart that share an address; mend the middlebox",
    hides="net.ipv4.tcp_timestamps=0",
)


def test_paws_drop(lab: Lab) -> None:
    """Data with a timestamp of five seconds ago, then other data with the right one."""
    with lab.scripted(timestamps=True) as peer:
        conn, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("SA")
        connecting.result()
        peer.expect("A")
        peer.send("PA", b"old", tsval=-5000)
        peer.expect("A")
        peer.send("PA", b"new")
        conn.recv()
        peer.acknowledged()
