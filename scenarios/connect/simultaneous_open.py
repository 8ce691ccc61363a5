"""Both sides dial each other at the same moment, and get one connection.

A SYN without ACK that comes in SYN_SENT is the other side's own attempt (tcp_rcv_synsent_state_process): the socket goes to
SYN_RECV, answers with a SYN-ACK, and the other's SYN-ACK completes it. Nobody listens, nobody accepts: connect succeeds on both
sides.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A simultaneous open",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.5-7",
    expected=[Expected("connect", within=(0, 5), by_default=(0, 5)), Expected("recv", bytes=5, data="hello")],
    variants=["ipv6"],
    wire=["> S", "< S!", "> SA", "< SA!", "< PA!/5"],
    never=["> R*"],
    counters={"client TcpActiveOpens": 1, "client TcpPassiveOpens": 0, "client TcpAttemptFails": 0},
    same_words={"connect-ok": "the capture: a bare SYN from both sides here", "self-connect": "there both ends have one address"},
    production="hole punching through address translators; routing daemons that dial each other",
    diagnose="tcpdump: two SYNs that cross",
    cure="none is needed; give one side the part of the caller where it disturbs",
    hides="retrying until the SYNs do not cross",
)


def test_simultaneous_open(lab: Lab) -> None:
    """Answer the SYN with a SYN of one's own."""
    with lab.scripted() as peer:
        conn, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("S")
        peer.expect("SA")
        peer.send("SA")
        connecting.result()
        peer.send("PA", b"hello")
        conn.recv()
