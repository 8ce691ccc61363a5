"""The file is there, and nobody listens behind it.

bind makes the file, and nothing removes it: after a crash or a plain close it stays, a name without a socket. unix_find_bsd finds the
file, no socket belongs to it any more: ECONNREFUSED. A directory or an ordinary file in that place says the same. Some runtimes remove
the file when they close the listener.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

REMOVED = "the runtime removes the file when the program closes the listener"

SCENARIO = Scenario(
    title="A path nobody listens at",
    spec="https://man7.org/linux/man-pages/man7/unix.7.html#ERRORS",
    expected=[Expected("listen"), Expected("close"), Expected("connect", "ECONNREFUSED", at_once=True)],
    expected_in={"directory": [Expected("connect", "ECONNREFUSED", at_once=True)]},
    variants=["directory"],
    never=["> *", "< *"],
    deviations=[Deviation(runtime=name, step=3, variant="", sees="ENOENT", note=REMOVED) for name in ("go", "node")],
    same_words={
        "unix-enoent": "ls PATH: there no file is there",
        "connect-refused-rst": "strace: there the address is one of IP; here it is a path",
    },
    production="a service that has crashed; a folder mounted where the socket should be",
    diagnose="ss -xl src PATH: nobody; ls -l PATH: s, or not even that",
    cure="unlink before bind; let the service manager own the socket",
    hides="a restart of the client",
)


def test_unix_refused(lab: Lab) -> None:
    """Listen, close, connect; or connect to a folder."""
    path = lab.client.place()
    if lab.variant == "directory":
        path = path.rpartition("/")[0]
    else:
        lab.client.listen(address=path, network="unix").close()
    lab.client.connect(address=path, network="unix")
