"""Two listeners share a port because both said SO_REUSEPORT; a third one that did not is refused.

A port is shared only among sockets that all have SO_REUSEPORT and one owner (inet_bind_conflict, sk_reuseport_match): the first to listen
decides. The kernel then deals the connections out among them. Who comes without the option gets EADDRINUSE, as beside any listener.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A shared port, and one who does not share",
    spec="https://man7.org/linux/man-pages/man7/socket.7.html#DESCRIPTION",
    expected=[Expected("listen"), Expected("listen"), Expected("listen", "EADDRINUSE", syscall="bind")],
    expected_in={"first-alone": [Expected("listen"), Expected("listen", "EADDRINUSE", syscall="bind")]},
    variants=["ipv6", "first-alone"],
    never=["> S", "< S"],
    same_words={"bind-addr-in-use": "ss -ltn: there one listener has the port, here several"},
    production="a server with one listener a process, and an old version of it that lacks the option",
    diagnose="ss -ltnp sport = :PORT lists all who share it, with their users",
    cure="the option on every one of them, before bind, under one user",
    hides="SO_REUSEADDR, which is something else",
)


def test_bind_reuseport(lab: Lab) -> None:
    """Share a port, then come without the option; or share with one who does not."""
    if lab.variant != "first-alone":
        lab.client.listen(options={"reuseport": True})
        lab.client.listen(options={"reuseport": True})
        lab.client.listen()
    else:
        lab.client.listen()
        lab.client.listen(options={"reuseport": True})
