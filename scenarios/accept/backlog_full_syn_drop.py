"""The server does not accept, its queue is full, and the next client's SYN is dropped in silence.

listen(1) makes a queue that holds two, for the kernel asks for more than the backlog (sk_acceptq_is_full). Two clients are connected
without the server's program having done anything; the third one's SYN is dropped (tcp_conn_request) as if there were no host. The client
sends it again until it gives up. Other systems answer with a RST here.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Accept queue full, SYN dropped",
    spec="https://man7.org/linux/man-pages/man2/listen.2.html#DESCRIPTION",
    shortened={"net.ipv4.tcp_syn_retries": 1},
    expected=[Expected("connect"), Expected("connect"), Expected("connect", "ETIMEDOUT", within=(2.9, 4.0), by_default=(126, 145))],
    wire=["> S", "< SA", "> A", "> S", "< SA", "> A", "> S", "> S"],
    never=["< R*", "> R*"],
    counters={"server TcpExtListenOverflows": (2, 12), "server TcpExtListenDrops": (2, 12), "client TcpAttemptFails": 1},
    same_words={
        "backlog-full-app-timeout": "the errno: a program's own timer is not ETIMEDOUT",
        "connect-blackhole-kernel-timeout": "on the server: ss -ltn shows Recv-Q above Send-Q, nstat TcpExtListenOverflows rises",
        "syn-flood-cookies": "on the server: there nstat TcpExtTCPReqQFullDrop rises, and ss shows syn-recv",
    },
    production="a server that is stuck, collects garbage, or has too few workers to accept",
    diagnose="ss -ltn: Recv-Q of a listener is its queue, Send-Q the backlog; nstat TcpExtListenOverflows",
    cure="accept faster; a larger backlog, and net.core.somaxconn with it",
    hides="a longer timer at the client: it waits in a queue that does not move",
)


def test_backlog_full_syn_drop(lab: Lab) -> None:
    """Fill the queue of a listener that never accepts, and one more."""
    lab.server.listen(backlog=1)
    lab.client.connect()
    lab.client.connect()
    lab.client.connect()
