"""The listener's queue is full, and a client that will not wait is turned away.

A connection over a path is complete when it is in the listener's queue, so where there is no room connect has to wait for it. A
non-blocking one says EAGAIN (unix_stream_connect), and not EINPROGRESS: nothing is in progress, and poll will not tell when there is
room. It has to be tried again. A blocking connect waits without a word.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="Queue full, over a path",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#ERRORS",
    expected=[Expected("listen"), Expected("connect"), Expected("connect", "EAGAIN", at_once=True)],
    never=["> *", "< *"],
    deviations=[
        Deviation(runtime="node", step=3, sees="ok", note="Node accepts by itself between two requests, so the queue is never full")
    ],
    same_words={"connect-in-progress": "strace: the address; there it is IP, and EINPROGRESS came first"},
    production="a local service with too few workers; php-fpm and its like under load",
    diagnose="ss -xl: Recv-Q is the queue, Send-Q the backlog",
    cure="accept faster; a larger backlog; try again after a pause",
    hides="trying again at once",
)


def test_unix_backlog_eagain(lab: Lab) -> None:
    """A queue with room for one: connect twice, without waiting."""
    path = lab.client.place()
    lab.client.listen(address=path, backlog=0, network="unix")
    lab.client.connect(address=path, network="unix", nonblocking=True)
    lab.client.connect(address=path, network="unix", nonblocking=True)
