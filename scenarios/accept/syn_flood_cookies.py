"""Half-open connections fill the queue, and the next client's SYN is dropped, unless the server answers with cookies.

Somebody sends SYNs from addresses that nobody has. Each takes a place for half-open connections (inet_csk_reqsk_queue_is_full) and
keeps it for a minute; when the queue is more than half full, only for two unanswered SYN-ACKs, 3 s (reqsk_timer_handler). Without
cookies the next SYN is dropped like those of a host that is down; a client that asks for longer than those 3 s gets in, so this one may
ask three times only. With them (tcp_syncookies) the answer's sequence number carries what the server would have to remember
(cookie_v4_init_sequence), so a real client is connected, queue or no queue.
"""

from faultlab.faults.forged import SynFlood
from faultlab.lab import PORT, Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="SYN flood, without and with cookies",
    spec="https://www.rfc-editor.org/rfc/rfc4987#section-3.6",
    settings={"net.ipv4.tcp_syn_retries": 1},
    expected=[Expected("connect", "ETIMEDOUT", within=(2.9, 4.0), by_default=(2.9, 4.0))],
    expected_in={"cookies": [Expected("connect", within=(0, 0.9), by_default=(0, 0.9)), Expected("recv", data="hello")]},
    variants=["cookies"],
    wire=["> S", "> S"],
    wire_in={"cookies": ["> S", "< SA", "> A", "< PA"]},
    never=["< SA", "< R*"],
    never_in={"cookies": ["< R*"]},
    counters={"server TcpExtTCPReqQFullDrop": (2, 12)},
    counters_in={"cookies": {"server TcpExtTCPReqQFullDrop": 1, "server TcpExtSyncookiesSent": 1, "server TcpExtSyncookiesRecv": 1}},
    same_words={"backlog-full-syn-drop": "on the server: there nstat TcpExtListenOverflows rises, here TcpExtTCPReqQFullDrop"},
    production="an attack; a backlog of one or two, which a few clients at once overfill",
    diagnose="ss -tn state syn-recv | wc -l; nstat TcpExtTCPReqQFullDrop TcpExtTCPReqQFullDoCookies TcpExtSyncookiesSent",
    cure="net.ipv4.tcp_syncookies=1, which is the default; a larger backlog",
    hides="a longer timer at the client",
)


def test_syn_flood_cookies(lab: Lab) -> None:
    """SYNs from nowhere until one is dropped; then a real client comes."""
    lab.server.listen(backlog=4)
    with lab.fault(SynFlood(port=PORT)):
        if lab.variant == "cookies":
            lab.server.host.sysctl("net.ipv4.tcp_syncookies", 1)
        conn = lab.client.connect()
    if lab.variant == "cookies":
        lab.server.accept().send(b"hello")
        conn.recv()
