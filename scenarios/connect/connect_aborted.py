"""An administrator destroys the socket while it is connecting.

`ss -K`, a VPN agent or a network change (Android) asks the kernel to destroy a socket (SOCK_DESTROY). tcp_abort ends it with
ECONNABORTED; in SYN_SENT there is nothing to take back from the peer (tcp_need_reset), so the wire shows a SYN and then silence.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

BLACK_HOLE = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="Destroyed by an administrator while connecting",
    spec="https://man7.org/linux/man-pages/man8/ss.8.html#OPTIONS",
    expected=[Expected("connect", "ECONNABORTED", within=(0, 5), by_default=(0, 5))],
    variants=["ipv6"],
    wire=["> S"],
    never=["> R*", "< *"],
    counters={"client TcpAttemptFails": 1},
    same_words={"sock-destroy": "the operation: there it is a read or write on a connection that was there"},
    production="VPN clients, mobile systems that change networks, an administrator with ss -K",
    diagnose="nothing on the wire shows it: look for whoever destroys sockets",
    cure="connect again",
    hides="looking for a fault in the network",
)


def test_connect_aborted(lab: Lab) -> None:
    """Connect into silence, and have the socket destroyed."""
    with lab.fault(BLACK_HOLE):
        conn, connecting = lab.client.start_connect()
        conn.local = (lab.client.address, lab.until_wire("> S").sport)
        conn.until("SYN_SENT")
        conn.destroy()
        connecting.result()
