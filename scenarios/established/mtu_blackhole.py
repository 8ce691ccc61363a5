"""Small messages pass, large ones vanish: the path has a smaller MTU than the ends think, and nobody says so.

A router that must not fragment should answer with ICMP fragmentation needed, and the sender would learn the path's size. Where that
answer is filtered, each full segment is sent again as large as before, until tcp_write_timeout gives up. The handshake and the greeting
are small: everything looks well until the first long message. tcp_mtu_probing, which would find the size by trying, is off by default.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

NARROW = FilterVerdict(at="server", match="-p tcp -m length --length 1000:65535")

SCENARIO = Scenario(
    title="A path that loses large packets",
    spec="https://www.rfc-editor.org/rfc/rfc2923#section-2.1",
    shortened={"net.ipv4.tcp_retries2": 2},
    expected=[
        Expected("connect"),
        Expected("send", bytes=4),
        Expected("recv", data="pong"),
        Expected("send", bytes=4000),
        Expected("recv", "ETIMEDOUT", since=4, within=(1.2, 5.0), by_default=(900, 1300)),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA/4", "< PA/4", "> A/1448", "> A/1448", "> A/1448"],
    wire_in={"ipv6": ["> S", "< SA", "> PA/4", "< PA/4", "> A/1428", "> A/1428", "> A/1428"]},
    never=["< ICMP", "< R*"],
    counters={"client TcpExtTCPAbortOnTimeout": 1},
    same_words={
        "write-unacked-timeout": "ping -M do -s 1472: here small packets pass, there none",
        "local-path-loss": "the capture: there nothing leaves the own host",
    },
    production="a VPN, PPPoE or tunnel on the way, and a firewall that drops all ICMP",
    diagnose="ping -M do -s 1472 PEER; ss -ti: mss, and retrans that grow; tracepath",
    cure="let ICMP type 3 code 4 pass; clamp the MSS at the tunnel; net.ipv4.tcp_mtu_probing=1",
    hides="a smaller MTU at one server",
)


def test_mtu_blackhole(lab: Lab) -> None:
    """A short message there and back, then a long one through a path that loses what is large."""
    conn, peer = lab.connected()
    conn.send(b"ping")
    peer.recv()
    peer.send(b"pong")
    conn.recv()
    with lab.fault(NARROW):
        conn.send(size=4000)
        conn.recv()
