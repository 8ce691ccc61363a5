"""A socket is asked for something its kind cannot do.

Datagram sockets have no connections to wait for: listen and accept are not in their table of operations (sock_no_listen, sock_no_accept),
so EOPNOTSUPP. A listening socket in turn is no connection: reading from it says ENOTCONN (tcp_recvmsg_locked), writing to it EPIPE
(sk_stream_wait_connect), as if a connection had broken.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="The wrong kind of socket",
    spec="https://man7.org/linux/man-pages/man2/listen.2.html#ERRORS",
    expected=[
        Expected("socket"),
        Expected("listen", "EOPNOTSUPP", syscall="listen"),
        Expected("accept", "EOPNOTSUPP"),
        Expected("listen"),
        Expected("recv", "ENOTCONN"),
        Expected("send", "EPIPE"),
    ],
    variants=["ipv6"],
    never=["> S", "< S"],
    same_words={
        "write-close-wait": "strace: there the descriptor came from connect or accept, here from socket and listen",
        "read-enotconn": "ss: there the socket never listened",
    },
    production="a server that answers on the listening descriptor instead of the accepted one; a descriptor mixed up",
    diagnose="strace: follow the descriptor back to the call that made it",
    cure="use what accept returned",
    hides="ignoring EPIPE",
)


def test_listen_wrong_type(lab: Lab) -> None:
    """Listen and accept with a datagram socket; read and write with a listener."""
    datagrams = lab.client.socket("dgram")
    datagrams.listen()
    datagrams.accept()
    listener = lab.client.listen()
    listener.recv()
    listener.send(b"hello")
