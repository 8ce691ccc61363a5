"""A socket that has its address already is bound once more.

A socket is bound once: bind sees that it has a port (__inet_bind looks at inet_num) and refuses with EINVAL, before it looks at the new
address. The first address stays.
"""

from faultlab.lab import PORT, Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Bound a second time",
    spec="https://man7.org/linux/man-pages/man2/bind.2.html#ERRORS",
    expected=[Expected("bind"), Expected("bind", "EINVAL")],
    variants=["ipv6"],
    never=["> S", "< S"],
    same_words={"bind-linklocal-no-scope": "strace: there it is the first bind, of an fe80:: address"},
    production="a wrapper that binds a socket it was handed, which its maker had bound",
    diagnose="strace -e trace=bind",
    cure="a new socket for another address",
    hides="ignoring the error: the socket keeps the first address",
)


def test_bind_twice(lab: Lab) -> None:
    """Bind to one port, then to the next."""
    first = lab.client.bind()
    lab.client.bind(PORT + 1, sock=first.sock)
