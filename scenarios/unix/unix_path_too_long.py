"""The path is longer than an address can hold.

struct sockaddr_un has room for 108 bytes, with the NUL at the end: unix_validate_addr says EINVAL of a longer address, and many a
library does not get as far. The path itself may be perfectly good for open.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

CUT = "Node 20 has libuv cut the path off, and nothing is at what is left of it; Node 24 has it refuse (UV_PIPE_NO_TRUNCATE)"
OWN = "the library measures the path itself, and the kernel is not asked"

SCENARIO = Scenario(
    title="A path that is too long",
    spec="https://man7.org/linux/man-pages/man7/unix.7.html#DESCRIPTION",
    expected=[Expected("connect", "EINVAL", at_once=True)],
    never=["> *", "< *"],
    deviations=[
        Deviation(runtime="node", step=1, sees="ENOENT or EINVAL", note=CUT),
        Deviation(runtime="python", step=1, sees="EINVAL", note=OWN, words={"errno": "", "message": "AF_UNIX path too long"}),
        Deviation(runtime="rust", step=1, sees="EINVAL", note=OWN, words={"errno": "", "message": "path must be shorter than SUN_LEN"}),
    ],
    same_words={"unix-enoent": "wc -c: the length of the path"},
    production="sockets in a temporary folder deep down; build systems, tests",
    diagnose="wc -c of the path: more than 107",
    cure="a shorter path; a relative one after chdir; a symbolic link to the folder",
    hides="cutting it off: then it is another path",
)


def test_unix_path_too_long(lab: Lab) -> None:
    """Connect to a path of more than 107 bytes."""
    lab.client.connect(address=lab.client.place() + "x" * 107, network="unix")
