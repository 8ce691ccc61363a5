"""The client's only port is in TIME_WAIT towards the server, and a connect finds none; with tcp_tw_reuse it finds that one, a second later.

The client closed first, so its four numbers are taken for a minute. __inet_hash_connect may take them over (tcp_twsk_unique) where
tcp_tw_reuse says so, timestamps are on and the TIME_WAIT is a second old. That is about connect only: a bind to a fixed port finds it
taken as before, and a server's port is not helped at all. The default, 2, is for the loopback.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

PORT = 41000
SOON = (0, 0.5)
TAKEN = Expected("connect", "EADDRINUSE", within=SOON, by_default=SOON, syscall="bind", at_once=True)

SCENARIO = Scenario(
    title="tcp_tw_reuse at a client",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    settings={"net.ipv4.ip_local_port_range": f"{PORT} {PORT}"},
    expected=[
        Expected("connect"),
        Expected("close"),
        Expected("connect", "EADDRNOTAVAIL", within=SOON, by_default=SOON, at_once=True),
    ],
    expected_in={
        "reuse": [Expected("connect"), Expected("close"), Expected("connect", within=SOON, by_default=SOON)],
        "fixed-port": [Expected("connect"), Expected("close"), TAKEN],
    },
    variants=["ipv6", "reuse", "fixed-port"],
    wire=["> S", "< SA", "> A", "> FA", "< FA", "> A"],
    wire_in={"reuse": ["> S", "< SA", "> A", "> FA", "< FA", "> A", "> S", "< SA"]},
    never=["> R*", "< R*"],
    same_words={
        "connect-ephemeral-exhausted": "ss -tan: there living connections hold the ports, here it is TIME-WAIT",
        "connect-fixed-local-port": "strace: there every connect is preceded by a bind",
    },
    production="a proxy or a load generator that opens a connection for each request",
    diagnose="ss -tan state time-wait dst ADDRESS | wc -l; sysctl net.ipv4.tcp_tw_reuse",
    cure="keep connections and reuse them",
    hides="tcp_tw_reuse=1: the ports come round faster",
)


def test_time_wait_tw_reuse(lab: Lab) -> None:
    """Close first; dial again, without tcp_tw_reuse; with it, a second later; or with it, from a fixed port."""
    lab.client.host.sysctl("net.ipv4.tcp_tw_reuse", int(lab.variant in ("reuse", "fixed-port")))
    conn, peer = lab.connected()
    conn.close()
    conn.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    peer.recv()
    peer.close()
    conn.until("TIME_WAIT")
    if lab.variant == "reuse":
        lab.pause(1.1)
    lab.client.connect(local=conn.local if lab.variant == "fixed-port" else None)
