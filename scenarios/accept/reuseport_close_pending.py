"""Two listeners share a port, and the one that has a client waiting closes.

The kernel deals a connection to one of the listeners when its SYN comes, and there it stays. What lies unaccepted in the queue of the one
that closes is reset (inet_csk_listen_stop), though the other one could serve it. With net.ipv4.tcp_migrate_req it is handed over instead
(reuseport_migrate_sock), with all that it has received, and the client notices nothing.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SENT = [Expected("connect"), Expected("send", bytes=7)]
SHARED = {"reuseport": True}

SCENARIO = Scenario(
    title="One of two listeners closes with clients waiting",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    expected=[*SENT, Expected("recv", "ECONNRESET")],
    expected_in={"migrated": [*SENT, Expected("recv", data="served")]},
    variants=["ipv6", "migrated"],
    wire=["> S", "< SA", "> A", "> PA", "< RA"],
    wire_in={"migrated": ["> S", "< SA", "> A", "> PA", "< PA"]},
    never=["> R*", "< F*"],
    never_in={"migrated": ["> R*", "< R*"]},
    counters={"server TcpOutRsts": 1},
    counters_in={"migrated": {"server TcpOutRsts": 0, "server TcpExtTCPMigrateReqSuccess": 1}},
    same_words={
        "listener-close-pending": "ss -ltn: there nobody listens any more, here another listener has the port",
        "read-reset": "on the server: nstat TcpOutRsts rises, and no process ever had that connection",
    },
    production="a rolling restart of a server with one SO_REUSEPORT listener a process: a few resets each time",
    diagnose="nstat TcpExtTCPMigrateReqSuccess TcpOutRsts; ss -ltn: Recv-Q of each listener before it closes",
    cure="net.ipv4.tcp_migrate_req=1; or pass the listener on to the new process; or accept the rest before closing",
    hides="connecting again",
)


def test_reuseport_close_pending(lab: Lab) -> None:
    """Connect and write while only the first listens; let the second come, and close the first."""
    lab.server.host.sysctl("net.ipv4.tcp_migrate_req", int(lab.variant == "migrated"))
    first = lab.server.listen(options=SHARED)
    conn = lab.client.connect()
    second = lab.server.listen(options=SHARED)
    conn.send(b"request")
    conn.far_end.until_unread(7)
    first.close()
    if lab.variant == "migrated":
        peer = second.accept()
        peer.recv()
        peer.send(b"served")
    conn.recv()
