"""This host's own firewall drops what TCP sends, and neither a write nor a connect is told that it is not permitted.

The filter does answer EPERM (nf_hook_slow), and a datagram's sender gets it. TCP takes a segment that could not be sent for one that was
lost, and sends it again: __tcp_transmit_skb's result never reaches the program. So the write succeeds, its data arrives as soon as the
rule is gone, and a connect waits for its timer.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: an OUTPUT drop gives TCP EPERM",
    spec="https://man7.org/linux/man-pages/man8/iptables-extensions.8.html#TARGET_EXTENSIONS",
    claim="A rule that drops TCP on its way out makes connect and write fail with EPERM.",
    judged="false",
    expected=[
        Expected("connect"),
        Expected("send", bytes=5, within=(0, 0.5), by_default=(0, 0.5)),
        Expected("recv", data="got it"),
    ],
    expected_in={"connect": [Expected("connect", "DEADLINE", within=(0.29, 0.9), by_default=(0.29, 0.9))]},
    variants=["ipv6", "connect"],
    wire=["> S", "< SA", "> A", "> PA/5", "< PA/6"],
    wire_in={"connect": []},
    never=["> R*", "< R*"],
    never_in={"connect": ["> S", "< *"]},
    production="egress rules: silence where people look for an error",
    diagnose="iptables -vnL OUTPUT: the rule's counter; tcpdump shows nothing leaving",
    cure="reject with tcp-reset, so that programs learn at once",
    hides="a longer timer",
)


def test_myth_output_drop_eperm_tcp(lab: Lab) -> None:
    """Write while the own firewall drops everything, then no more; or connect into it with a timer."""
    drop = FilterVerdict(at="client", chain="OUTPUT", match="-p tcp --dport 9000")
    if lab.variant == "connect":
        lab.server.listen()
        with lab.fault(drop):
            lab.client.connect(deadline=0.3)
        return
    conn, peer = lab.connected()
    with lab.fault(drop):
        conn.send(b"hello")
    peer.recv()
    peer.send(b"got it")
    conn.recv()
