"""The peer closes its side, so reading says end of stream.

Its FIN comes in order after its last byte (RFC 9293, 3.6). recv returns 0 for it, now and ever after; that is not an error. Whether the
peer was finished or died, TCP does not say.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="End of stream",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.6",
    expected=[Expected("connect"), Expected("recv", "eof"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< FA"],
    never=["< R*", "> R*"],
    same_words={
        "connect-failed-then-used": "tcpdump: there no FIN came, and no connection was",
        "read-after-shutdown-rd": "strace: there the program has shut its reading side down itself",
        "process-killed": "at the peer: dmesg or its supervisor's log tells a kill",
        "pending-error-order": "strace: there getsockopt(SO_ERROR) came first, and took a reset",
        "read-reset": "the first read: after a reset it is the error, and only the later ones say end of stream",
        "published-refused": "ss -ltnp at the address that was dialled: docker-proxy there, and in the container nobody accepts",
        "published-reset-eof": "ss -ltnp at the address that was dialled: docker-proxy there; the container itself had sent a RST",
        "fin-then-rst": "nstat TcpEstabResets: there a RST came after the FIN",
    },
    production="the server's idle timeout; a worker that was killed; the end of the answer",
    diagnose="ss -tan state close-wait",
    cure="close too; know from the protocol whether the message was whole",
    hides="treating every end of stream as success",
)


def test_read_eof(lab: Lab) -> None:
    """The peer closes; read twice."""
    conn, peer = lab.connected()
    peer.close()
    conn.until_fin()
    conn.recv()
    conn.recv()
