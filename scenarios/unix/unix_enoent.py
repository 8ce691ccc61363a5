"""The path leads nowhere: no service has ever listened there, or not here.

A Unix socket is found by its file (unix_find_bsd), so the first thing that can be wrong is what can be wrong with any path: ENOENT. In
a container, a chroot or another mount namespace the same path is another file.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="No such path",
    spec="https://man7.org/linux/man-pages/man7/unix.7.html#ERRORS",
    expected=[Expected("connect", "ENOENT", at_once=True)],
    never=["> *", "< *"],
    same_words={
        "unix-refused": "ls PATH: there is a file there",
        "unix-path-too-long": "wc -c: there the path is longer than 107 bytes",
    },
    production="the service is not running; a path that is not mounted into the container",
    diagnose="ls -l PATH, as the program sees it: nsenter -t PID -m",
    cure="start the service; mount the folder, not the socket",
    hides="creating the file by hand",
)


def test_unix_enoent(lab: Lab) -> None:
    """Connect to a path where nothing is."""
    lab.client.connect(address=lab.client.place(), network="unix")
