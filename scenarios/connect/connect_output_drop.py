"""A firewall on this very host drops the SYN on its way out, and connect does not notice.

The output hook answers with EPERM, and a datagram's sender would get that. TCP takes it for a segment lost on the way and repeats
it (tcp_connect looks only for ECONNREFUSED), so it ends like any black hole: ETIMEDOUT. A rule that rejects with tcp-reset makes
up the peer's RST: refused at once.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

DROP, REJECT = (
    FilterVerdict(at="client", chain="OUTPUT", match="-p tcp --dport 9000", target=target)
    for target in ("DROP", "REJECT --reject-with tcp-reset")
)

SCENARIO = Scenario(
    title="SYN dropped by this host's own firewall",
    spec="https://man7.org/linux/man-pages/man8/iptables-extensions.8.html#TARGET_EXTENSIONS",
    shortened={"net.ipv4.tcp_syn_retries": 1},
    expected=[Expected("connect", "ETIMEDOUT", within=(2.9, 4.0), by_default=(126, 145))],
    expected_in={"reject": [Expected("connect", "ECONNREFUSED", within=(0, 0.5), by_default=(0, 0.5))]},
    variants=["reject"],
    wire_in={"reject": ["< RA"]},
    never=["> S", "< S*", "< R*"],
    never_in={"reject": ["> S", "< S*"]},
    counters={"client TcpActiveOpens": 1, "client TcpAttemptFails": 1},
    same_words={
        "conntrack-table-full": "dmesg; here a rule counts the SYNs (iptables -vnL OUTPUT)",
        "connect-blackhole-kernel-timeout": "the capture: there SYNs leave this host; here none does, and iptables -vnL OUTPUT counts them",
        "connect-refused-rst": "the capture at the peer: there the SYN arrives",
    },
    production="an egress policy; a container's network policy enforced on the node",
    diagnose="iptables -vnL OUTPUT; tcpdump shows no SYN leaving",
    cure="allow it; or reject with tcp-reset, so that programs learn at once",
    hides="a longer timeout",
)


def test_connect_output_drop(lab: Lab) -> None:
    """Connect past a firewall of our own that drops, or rejects."""
    lab.server.listen()
    with lab.fault(REJECT if lab.variant == "reject" else DROP):
        lab.client.connect()
