"""A firewall drops the SYN in silence, and the program's own timer ends the wait.

Nothing comes back, so nothing but a clock can end this. The program's timer is shorter than the kernel's: the error, where there is one,
is the language's own and carries no errno of a connection.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

BLACK_HOLE = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="SYN dropped, the program gives up first",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.3",
    expected=[Expected("connect", "DEADLINE", within=(0.29, 0.9), by_default=(0.29, 0.9))],
    variants=["ipv6"],
    wire=["> S"],
    never=["< *"],
    same_words={
        "backlog-full-app-timeout": "on the server: there ss -ltn shows Recv-Q above Send-Q, and the SYN arrives",
        "connect-blackhole-kernel-timeout": "the errno: the kernel's timeout is ETIMEDOUT, the program's own is not",
        "published-silent": "the address: there it is the container's own, and the published port accepts",
    },
    production="a security group or firewall that drops; a wrong address that nobody answers for",
    diagnose="tcpdump host SERVER and tcp: SYN after SYN, no answer; ss -o state syn-sent",
    cure="open the port; keep the timer shorter than what the caller has left",
    hides="a longer timer",
)


def test_connect_blackhole_app_timeout(lab: Lab) -> None:
    """Connect into the black hole with a timer of 0.3 s."""
    with lab.fault(BLACK_HOLE):
        lab.client.connect(deadline=0.3)
