"""Nobody listens in the container, but what was written to its published port is acknowledged; then the connection is reset.

The engine's proxy has accepted, and reads nothing before the container has. So the request lies in the proxy's receive queue, acknowledged
by its kernel, when the container refuses at last. Closing a socket with unread data sends a RST instead of a FIN (tcp_close; RFC 2525,
2.17). Whether a client sees end of stream or a reset depends only on whether its request was faster than the refusal. Here the container
throws the proxy's first SYN away, so the refusal comes a second later, when the SYN is repeated.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SLOW = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="Refused behind a published port: reset",
    spec="https://www.rfc-editor.org/rfc/rfc2525#section-2.17",
    expected=[
        Expected("connect"),
        Expected("send", bytes=5),
        Expected("recv", "ECONNRESET", within=(0.5, 2.5), by_default=(0.5, 2.5)),
        Expected("recv", "eof"),
    ],
    wire=["> S", "< SA", "> PA/5", "< A", "< RA"],
    never=["< F*", "< PA", "> R*"],
    counters={"server TcpOutRsts": 1, "client TcpEstabResets": 1},
    published=True,
    same_words={
        "peer-close-unread-data": "ss -ltnp at the address that was dialled: docker-proxy; nobody accepted in the container",
    },
    production="the first requests after docker compose up, sent before the service listens",
    diagnose="docker exec CONTAINER ss -ltn; tcpdump on the bridge: a SYN to the container answered by a RST, and then one to the client",
    cure="check health by an answer before sending requests; repeat what is safe to repeat",
    hides="retrying every reset",
)


def test_published_reset(lab: Lab) -> None:
    """Write while the proxy still dials; read what comes of it."""
    with lab.fault(SLOW):
        conn = lab.client.connect(address=lab.published)
        conn.send(b"hello")
        lab.until_wire("* S", times=2)  # the client's, and the proxy's
    conn.recv()
    conn.recv()
