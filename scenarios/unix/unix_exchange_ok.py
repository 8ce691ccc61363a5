"""Nothing goes wrong between two ends of a Unix socket.

The null case of everything about them: a path in the file system leads to the listener, connect is done when the connection is in its
queue, and nothing is on any wire.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A conversation over a path",
    spec="https://man7.org/linux/man-pages/man7/unix.7.html#DESCRIPTION",
    expected=[
        Expected("listen"),
        Expected("connect"),
        Expected("accept"),
        Expected("send", bytes=4),
        Expected("recv", data="ping"),
        Expected("close"),
        Expected("recv", "eof"),
    ],
    never=["> *", "< *"],
    null_of="unix",
)


def test_unix_exchange_ok(lab: Lab) -> None:
    """One program is both ends: listen, connect, accept, say something and hear it, close."""
    path = lab.client.place()
    lab.client.listen(address=path, network="unix")
    conn = lab.client.connect(address=path, network="unix")
    peer = lab.client.accept()
    conn.send(b"ping")
    peer.recv()
    conn.close()
    peer.recv()
