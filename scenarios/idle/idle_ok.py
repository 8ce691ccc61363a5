"""An idle connection with keepalive: the kernel asks from time to time, the peer's kernel answers, and it is as good as new.

A probe is a segment without data, numbered one too low (tcp_xmit_probe_skb), which any kernel that knows the connection has to answer.
Neither program sees anything of it. Without keepalive there would be nothing on the wire at all, and that is no failure either: no
timer runs in ESTABLISHED as long as nothing was sent.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Idle, asked, and still there",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4",
    null_of="idle",
    shortened={"net.ipv4.tcp_keepalive_time": 1, "net.ipv4.tcp_keepalive_intvl": 1},
    expected=[Expected("connect"), Expected("option"), Expected("send", bytes=5), Expected("recv", bytes=5, data="world")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> A", "< A", "> PA/5", "< PA/5"],
    never=["> R*", "< R*", "> F*", "< F*"],
    counters={"client TcpExtTCPKeepAlive": (1, 4)},
    diagnose="ss -tno: timer:(keepalive,…)",
)


def test_idle_ok(lab: Lab) -> None:
    """Be idle until the kernel has asked, then talk."""
    lab.server.listen()
    conn = lab.client.connect(options={"keepalive": False})
    peer = lab.server.accept()
    conn.option("keepalive", True)
    lab.pause(1.5 * int(lab.client.host.sysctl("net.ipv4.tcp_keepalive_time")))
    conn.send(b"hello")
    peer.recv()
    peer.send(b"world")
    conn.recv()
