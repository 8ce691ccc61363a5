"""With a tcp_fin_timeout of three seconds a socket in FIN_WAIT_2 is soon gone, and one in TIME_WAIT stays where it is.

The setting limits how long a closed socket waits for the peer's FIN (tcp_fin_time), which is another wait. TIME_WAIT lasts
TCP_TIMEWAIT_LEN, a constant of 60 s in the kernel's source, and no setting makes it longer or shorter. Here both wait side by side: when
the first has been forgotten the second still blocks the port.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: a setting for TIME_WAIT",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    observe="server",
    claim="How long TIME_WAIT lasts is set by a kernel parameter, tcp_fin_timeout.",
    judged="false",
    settings={"net.ipv4.tcp_fin_timeout": 3},
    expected=[
        Expected("listen"),
        *[Expected("accept"), Expected("close")] * 2,
        Expected("close"),
        Expected("listen", "EADDRINUSE", syscall="bind"),
    ],
    variants=["ipv6"],
    wire=["> S", "< FA", "> FA", "< A", "> S", "< FA", "> A"],
    never=["> R*", "< R*"],
    production="tuning guides for busy servers",
    diagnose="ss -tano state time-wait: timer:(timewait,59sec,0) with any setting",
    cure="SO_REUSEADDR at the listener; let clients close first; keep connections",
    hides="tcp_fin_timeout: it shortens FIN_WAIT_2 of sockets that are closed, and nothing else",
)


def test_myth_timewait_sysctl(lab: Lab) -> None:
    """Two connections, both closed by the server first: one ends in TIME_WAIT, the other one in FIN_WAIT_2 until that is over."""
    listener = lab.server.listen(options={"reuseaddr": False})
    whole = lab.client.connect()
    waiting = lab.server.accept()
    waiting.close()
    waiting.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    whole.close()
    waiting.until("TIME_WAIT")
    half = lab.client.connect()
    expiring = lab.server.accept()
    expiring.close()
    half.until("CLOSE_WAIT")
    expiring.until("CLOSE")
    waiting.until("TIME_WAIT")
    listener.close()
    lab.server.listen(options={"reuseaddr": False})
