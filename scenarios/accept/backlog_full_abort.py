"""The queue is full when the client's last ACK comes, and the server is told to say so.

With net.ipv4.tcp_abort_on_overflow the segment that finds the queue full is answered with a RST (tcp_check_req, embryonic_reset) instead
of being dropped. The client has been connected since the SYN-ACK, and its write has gone: the reset is found by the next read, at once.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

LAST_ACKS_LOST = FilterVerdict(at="server", match="-p tcp --tcp-flags ALL ACK")

SCENARIO = Scenario(
    title="Accept queue full, reset",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    settings={"net.ipv4.tcp_abort_on_overflow": 1},
    expected=[
        *[Expected("connect")] * 4,
        Expected("send", bytes=4),
        Expected("send", bytes=5),
        Expected("recv", "ECONNRESET", within=(0, 0.9), by_default=(0, 0.9)),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA/4", "> PA/5", "< R*"],
    counters={"server TcpExtListenOverflows": (1, 9), "server TcpExtEmbryonicRsts": 1, "client TcpEstabResets": 1},
    same_words={
        "read-reset": "on the server: nstat TcpExtEmbryonicRsts and TcpExtListenOverflows",
        "backlog-full-ghost": "the time: there it takes seconds, and TcpExtEmbryonicRsts stays 0",
    },
    production="a load test, where failing fast is wanted; an appliance that is set so",
    diagnose="nstat TcpExtEmbryonicRsts TcpExtListenOverflows; sysctl net.ipv4.tcp_abort_on_overflow",
    cure="accept faster, a larger backlog",
    hides="connecting again at once: it fills the queue once more",
)


def test_backlog_full_abort(lab: Lab) -> None:
    """Two in the queue of three, two more whose last ACK is lost: the first to write takes the last place, the other is reset."""
    lab.server.listen(backlog=2)
    lab.client.connect()
    lab.client.connect()
    with lab.fault(LAST_ACKS_LOST):
        last = lab.client.connect()
        late = lab.client.connect()
    last.send(b"last")
    last.far_end.until("ESTABLISHED")
    late.send(b"ghost")
    late.recv()
