"""The queue is full when the client's last ACK comes: the client is connected, the server knows of no connection.

The SYN found room and was answered; when the handshake's third segment comes the queue is full, and it is dropped (tcp_check_req,
listen_overflow). The client saw the SYN-ACK, so connect and write succeed. The server sends its SYN-ACK a few times more and forgets the
request (reqsk_timer_handler); what the client sends after that meets nobody, and a RST answers it.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

LAST_ACKS_LOST = FilterVerdict(at="server", match="-p tcp --tcp-flags ALL ACK")

SCENARIO = Scenario(
    title="Connected at one end only",
    spec="https://man7.org/linux/man-pages/man7/tcp.7.html#DESCRIPTION",
    shortened={"net.ipv4.tcp_synack_retries": 1},
    expected=[
        *[Expected("connect")] * 4,
        Expected("send", bytes=4),
        Expected("send", bytes=5),
        Expected("recv", "ECONNRESET", since=4, within=(2.8, 9.5), by_default=(63, 130)),
    ],
    wire=["> S", "< SA", "> PA/4", "> PA/5", "> PA/5", "< R"],
    counters={"server TcpExtListenOverflows": (2, 40), "client TcpEstabResets": 1},
    same_words={
        "backlog-full-abort": "the time: there the reset comes at once, and TcpExtEmbryonicRsts counts it",
        "defer-accept": "on the server: there nstat TcpExtTCPDeferAcceptDrop rises, and the first byte cures it",
        "read-reset": "on the server: ss -tan has SYN-RECV where the client has ESTAB; nstat TcpExtListenOverflows",
        "listener-close-pending": "the time: there the reset comes when the listener closes",
    },
    production="an overloaded server: connecting is quick, and no answer ever comes",
    diagnose="ss -tan at both ends: ESTAB at the client, SYN-RECV at the server; nstat TcpExtListenOverflows",
    cure="accept faster, a larger backlog; a read timer at the client",
    hides="a timer for connect only",
)


def test_backlog_full_ghost(lab: Lab) -> None:
    """Two in the queue of three, two more whose last ACK is lost: the first to write takes the last place, the other is a ghost."""
    lab.server.listen(backlog=2)
    lab.client.connect()
    lab.client.connect()
    with lab.fault(LAST_ACKS_LOST):
        last = lab.client.connect()
        ghost = lab.client.connect()
    last.send(b"last")
    last.far_end.until("ESTABLISHED")
    ghost.send(b"ghost")
    ghost.recv()
