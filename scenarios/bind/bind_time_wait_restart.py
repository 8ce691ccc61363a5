"""The listener is gone, but a connection it accepted still has its port, so a restart cannot bind.

The server closed first, so its end of the connection stays in TIME_WAIT for a minute. bind lets a new socket beside it only if both have
SO_REUSEADDR (inet_bind_conflict), and what TIME_WAIT has is what the old listener had when it was made. So it has to be set before the
first bind; a program that learns of it only at the restart comes too late. Most languages set it for every listener; C sets nothing.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

BEGIN = [Expected("listen"), Expected("accept"), Expected("close"), Expected("close")]
RAW = "C sets no option that nobody asked for"

SCENARIO = Scenario(
    title="Restart into TIME_WAIT",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.6.1",
    observe="server",
    expected=[*BEGIN, Expected("listen", "EADDRINUSE", syscall="bind")],
    expected_in={"by-default": [*BEGIN, Expected("listen")]},
    variants=["ipv6", "too-late", "by-default"],
    wire=["> S", "< SA", "> A", "< FA", "> FA", "< A"],
    never=["> R*", "< R*"],
    counters={"server TcpExtTW": 1},
    deviations=[Deviation(runtime=name, variant="by-default", step=5, sees="EADDRINUSE", note=RAW) for name in ("c", "c-musl")],
    same_words={
        "bind-addr-in-use": "ss -ltn: there a listener has the port; here only ss -tan shows who has it",
        "bind-time-wait-60s": "nothing: that is the same, waited for to its end",
    },
    production="a server written in C, or with bare sockets, that is restarted within a minute",
    diagnose="ss -tan sport = :PORT shows time-wait, and no listener",
    cure="SO_REUSEADDR before the first bind",
    hides="waiting for a minute; tcp_fin_timeout, which has nothing to do with it",
)


def test_bind_time_wait_restart(lab: Lab) -> None:
    """Serve one connection, close first, and listen again."""
    first, again = {"by-default": (None, None), "too-late": (False, True)}.get(lab.variant or "", (False, False))
    listener = lab.server.listen(options=None if first is None else {"reuseaddr": first})
    conn = lab.client.connect()
    peer = lab.server.accept()
    peer.close()
    peer.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    conn.close()
    peer.until("TIME_WAIT")
    listener.close()
    lab.server.listen(options=None if again is None else {"reuseaddr": again})
