"""The peer says goodbye, and resets after that; nobody is told of the reset.

In CLOSE_WAIT tcp_reset notes EPIPE and not ECONNRESET: the peer has sent all it wanted, so there is nothing left to lose but what one
writes. And a read does not even look, because the FIN is behind it (SOCK_DONE): end of stream, now and ever after. Other systems say
ECONNRESET here.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Goodbye, then a reset",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    expected=[Expected("connect"), Expected("recv", "eof"), Expected("send", "EPIPE"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< FA", "< R*"],
    never=["> R*", "> PA"],
    counters={"client TcpEstabResets": 1},
    same_words={
        "tcp-mem-orphans": "nstat TcpExtTCPAbortOnMemory at the peer; its dmesg",
        "read-eof": "tcpdump: a RST after the FIN; nstat TcpEstabResets",
        "write-close-wait": "tcpdump: there the first write goes out, and the RST answers it",
        "write-after-shutdown": "ss: there the own FIN is the first one; strace shows the program's shutdown",
    },
    production="a kept-alive connection that a load balancer closes and then forgets",
    diagnose="nstat TcpEstabResets; tcpdump: FIN, then RST",
    cure="take end of stream and EPIPE after a request for: connection lost; repeat what is safe to repeat",
    hides="looking for ECONNRESET only",
)


def test_fin_then_rst(lab: Lab) -> None:
    """The peer shuts down, then resets; read, write, read."""
    conn, peer = lab.connected(half_open=True)
    peer.shutdown()
    conn.until("CLOSE_WAIT")
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    conn.recv()
    conn.send(b"more")
    conn.recv()
