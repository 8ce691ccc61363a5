"""The server does not accept, its queue is full, and the next client's program gives up before its kernel does.

As in backlog-full-syn-drop: listen(1) makes a queue of two (sk_acceptq_is_full), and the SYN of the third client is dropped without a word
(tcp_conn_request). Its program has a timer of its own and stops waiting; to the program a server that is stuck looks like no host at all.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Accept queue full, the program gives up first",
    spec="https://man7.org/linux/man-pages/man2/listen.2.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("connect"), Expected("connect", "DEADLINE", within=(0.29, 0.9), by_default=(0.29, 0.9))],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> S", "< SA", "> A", "> S"],
    never=["< R*", "> R*"],
    counters={"server TcpExtListenOverflows": 1, "server TcpExtListenDrops": 1},
    same_words={
        "connect-blackhole-app-timeout": "on the server: ss -ltn shows Recv-Q above Send-Q, nstat TcpExtListenOverflows rises",
        "backlog-full-syn-drop": "the errno: the kernel's timeout is ETIMEDOUT, the program's own is not",
    },
    production="a server that is stuck behind a health check with a short timer",
    diagnose="ss -ltn: Recv-Q of a listener is its queue, Send-Q the backlog",
    cure="accept faster; a larger backlog, and net.core.somaxconn with it",
    hides="a longer timer",
)


def test_backlog_full_app_timeout(lab: Lab) -> None:
    """Fill the queue of a listener that never accepts, and one more with a timer of 0.3 s."""
    lab.server.listen(backlog=1)
    lab.client.connect()
    lab.client.connect()
    lab.client.connect(deadline=0.3)
