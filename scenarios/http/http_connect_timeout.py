"""The SYN is dropped in silence, and the client's timer ends the wait for the connection.

Which timer that is differs: some libraries have one for connecting, some one for everything, and whether the error says that not even a
connection stood is the difference between a request that may be repeated and one that may not. Before that, for comparison, a port that
refuses at once. The variant sets a timer for connecting only, where there is one.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

BLACK_HOLE = FilterVerdict(at="server", match="-p tcp --dport 9000")

STALE = "libcurl does not reset CURLINFO_OS_ERRNO: the number is the first fetch's"

SCENARIO = Scenario(
    title="Timeout while connecting",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.3",
    kind="http",
    expected=[
        Expected("fetch", "ECONNREFUSED", during="connect"),
        Expected("fetch", "DEADLINE", during="connect", within=(0.29, 1.5)),
    ],
    variants=["connect-timer"],
    wire=["> S", "< RA", "> S"],
    never=["< SA"],
    deviations=[Deviation(runtime="curl", step=2, sees="DEADLINE", variant="", words={"errno": "ECONNREFUSED"}, note=STALE)],
    same_words={
        "http-read-timeout": "the wire: whether the SYN was answered",
    },
    production="a security group that drops; a host that is down",
    diagnose="ss -o state syn-sent; tcpdump: SYN after SYN",
    cure="open the port; a timer for connecting that is shorter than the one for the answer",
    hides="a longer timer",
)


def test_http_connect_timeout(lab: Lab) -> None:
    """Fetch from a port where nobody listens, then through the black hole with a timer of 0.3 s."""
    client, _ = http(lab)
    client.fetch(port=9001)
    with lab.fault(BLACK_HOLE):
        client.fetch(connect_deadline=0.3 if lab.variant else None, deadline=None if lab.variant else 0.3)
