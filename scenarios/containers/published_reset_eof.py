"""The container's program resets the connection, and the client behind a published port reads an orderly end of stream.

The RST reaches the engine's proxy. To that it is a read that failed, after which it closes its writing side towards the client, as after
any end (docker-proxy, TCPProxy): a FIN. No proxy that copies streams can pass on a RST unless it was written to. An answer that was cut
off looks complete, where only its end says that it is.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A reset comes out of a published port as an end",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.6",
    expected=[Expected("connect"), Expected("recv", data="half"), Expected("recv", "eof")],
    variants=["own-address"],
    expected_in={"own-address": [Expected("connect"), Expected("recv", data="half"), Expected("recv", "ECONNRESET")]},
    wire=["> S", "< SA", "< PA/4", "< FA"],
    wire_in={"own-address": ["> S", "< SA", "< PA/4", "< RA"]},
    never=["< R*"],
    never_in={"own-address": ["< F*"]},
    counters={"server TcpOutRsts": 1, "client TcpEstabResets": 0},
    counters_in={"own-address": {"client TcpEstabResets": 1}},
    published=True,
    same_words={
        "read-eof": "docker logs: here the program in the container crashed, or closed with SO_LINGER 0",
        "published-refused": "docker exec CONTAINER ss -ltn: there nobody listens",
    },
    production="answers that end early without any error, as soon as a port is published or a load balancer stands in front",
    diagnose="tcpdump on the bridge: a RST from the container, a FIN from the proxy; nstat TcpOutRsts in the container",
    cure="a protocol that says how long a message is, and a client that checks it",
    hides="treating every end of stream as success",
)


def test_published_reset_eof(lab: Lab) -> None:
    """The server says something and aborts; read twice, by the published port or by the container's own address."""
    lab.server.listen()
    conn = lab.client.connect() if lab.variant else lab.client.connect(address=lab.published)
    peer = lab.server.accept()
    peer.send(b"half")
    conn.recv()
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE") if lab.variant else conn.until_fin()
    conn.recv()
