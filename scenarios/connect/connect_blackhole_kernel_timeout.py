"""A firewall drops the SYN in silence, so the kernel sends it again and again until it gives up.

With the default of six retries Linux waits 131 s and more (four of them one second apart since 6.5, tcp_syn_linear_timeouts), older
kernels 127 s. Here one retry is allowed: with linear timeouts that makes two retransmissions and about 3 s (tcp_write_timeout,
tcp_syn_linear_timeouts); without, 1 s and then 2 s.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

BLACK_HOLE = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="SYN dropped, the kernel gives up",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.3",
    shortened={"net.ipv4.tcp_syn_retries": 1},
    expected=[Expected("connect", "ETIMEDOUT", within=(2.9, 4.0), by_default=(126, 145))],
    wire=["> S", "> S"],
    never=["< *"],
    counters={"client TcpExtTCPTimeouts": (2, 11)},
    same_words={
        "conntrack-table-full": "dmesg at the firewall; there the connections that were there before go on",
        "keepalive-timeout": "the operation: there it is a read or write on a connection that was there",
        "backlog-full-syn-drop": "on the server: ss -ltn shows a full accept queue there, nstat TcpExtListenOverflows rises",
        "connect-blackhole-app-timeout": "the errno: the program's own timer has none, the kernel's says ETIMEDOUT",
        "connect-output-drop": "the capture: no SYN leaves this host there",
    },
    production="a security group or firewall that drops, and a program without a timer of its own",
    diagnose="nstat TcpExtTCPSynRetrans; ss -o state syn-sent shows the retry timer",
    cure="a timer in the program; open the port",
    hides="tcp_syn_retries",
)


def test_connect_blackhole_kernel_timeout(lab: Lab) -> None:
    """Connect into the black hole and wait for the kernel."""
    with lab.fault(BLACK_HOLE):
        lab.client.connect()
