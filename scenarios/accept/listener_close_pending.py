"""The server closes its listener while a connection still waits in the queue.

The kernel completed that connection on the listener's behalf; nobody has a descriptor of it. So closing the listener ends it too, with a
RST (inet_csk_listen_stop). The client had connected and written without an error. A request whose handshake was not complete is forgotten
in silence, and its next segment gets the RST that everything gets where no socket is.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.testbed import nothing

LAST_ACK_LOST = FilterVerdict(at="server", match="-p tcp --tcp-flags ALL ACK")

SCENARIO = Scenario(
    title="The listener closes with clients waiting",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.4",
    expected=[Expected("connect"), Expected("send", bytes=7), Expected("recv", "ECONNRESET")],
    variants=["ipv6", "half-open"],
    wire=["> S", "< SA", "> A", "> PA", "< RA"],
    wire_in={"half-open": ["> S", "< SA", "> A", "> PA", "< R"]},
    never=["> R*", "< F*"],
    counters={"server TcpOutRsts": 1, "client TcpEstabResets": 1},
    same_words={
        "reuseport-close-pending": "ss -ltn: there another listener has the port",
        "read-reset": "on the server: nstat TcpOutRsts rises, and no process ever had that connection",
        "backlog-full-ghost": "on the server: there nstat TcpExtListenOverflows rises, and the listener stays",
    },
    production="a rolling restart; one of several SO_REUSEPORT listeners that goes",
    diagnose="tcpdump: the RST comes when the listener closes; strace of the server: no accept for that client",
    cure="stop new connections first, accept the rest, then close; socket activation; net.ipv4.tcp_migrate_req",
    hides="connecting again",
)


def test_listener_close_pending(lab: Lab) -> None:
    """Connect and write while nobody accepts, and close the listener; or close it before the handshake is complete."""
    listener = lab.server.listen()
    half_open = lab.variant == "half-open"
    with lab.fault(LAST_ACK_LOST) if half_open else nothing():
        conn = lab.client.connect()
        conn.far_end.until("SYN_RECV" if half_open else "ESTABLISHED")
    if half_open:
        listener.close()
    conn.send(b"request")
    if not half_open:
        conn.far_end.until_unread(7)
        listener.close()
    conn.recv()
