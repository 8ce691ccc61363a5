"""A program reads and writes on a socket that was never connected.

tcp_recvmsg_locked finds the socket in CLOSE, and no FIN behind it: ENOTCONN. Writing says something else, for sk_stream_wait_connect
sees a socket that is neither connected nor connecting: EPIPE, with SIGPIPE. That is a broken pipe which was never whole. Both come of a
connect whose failure was ignored.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="Reading what is not connected",
    spec="https://man7.org/linux/man-pages/man2/recv.2.html#ERRORS",
    expected=[Expected("socket"), Expected("recv", "ENOTCONN"), Expected("send", "EPIPE"), Expected("shutdown", "ENOTCONN")],
    variants=["ipv6"],
    never=["> *", "< *"],
    deviations=[
        Deviation(runtime=name, step=3, sees="ENOTCONN", note="the JDK keeps the state of a socket itself, and asks it before the kernel")
        for name in ("java", "java-nio")
    ],
    same_words={
        "connect-failed-then-used": "strace: there a connect was tried",
        "write-close-wait": "strace: there the connect succeeded",
        "listen-wrong-type": "ss: there the socket listens",
    },
    production="the result of connect was not looked at",
    diagnose="strace -e trace=connect,recvfrom,sendto",
    cure="look at what connect returns",
    hides="ignoring SIGPIPE",
)


def test_read_enotconn(lab: Lab) -> None:
    """Read, write and shut down a socket that is neither bound nor connected."""
    sock = lab.client.socket()
    sock.recv()
    sock.send(b"nobody")
    sock.shutdown()
