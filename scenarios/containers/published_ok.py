"""Nothing goes wrong: through a published port both sides say something and hear it, then close.

The null case of everything about published ports. What accepts is not the server: the engine's proxy (docker-proxy) does, dials the
container as a second connection, and copies. Each end talks to a kernel that the other never sees.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A conversation through a published port",
    spec="https://docs.docker.com/engine/network/port-publishing/#publishing-ports",
    expected=[Expected("connect"), Expected("send", bytes=4), Expected("recv", data="pong"), Expected("recv", "eof"), Expected("close")],
    variants=["own-address"],
    wire=["> S", "< SA", "> PA", "< PA", "< FA", "> FA"],
    never=["> R*", "< R*"],
    published=True,
    null_of="containers",
)


def test_published_ok(lab: Lab) -> None:
    """Ask and answer at the published port, or at the container's own address; the server closes first."""
    lab.server.listen()
    conn = lab.client.connect() if lab.variant else lab.client.connect(address=lab.published)
    peer = lab.server.accept()
    conn.send(b"ping")
    peer.recv()
    peer.send(b"pong")
    conn.recv()
    peer.close()
    conn.until_fin()
    conn.recv()
    conn.close()
