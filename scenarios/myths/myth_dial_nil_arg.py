"""A line from a tutorial is compiled: net.Dial with a third argument.

net.Dial takes a network and an address, no more, and Go has no optional arguments: the type checker counts. What the third was meant for,
a timer or a local address, are fields of a net.Dialer. Nothing is sent by a line that does not compile.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SAID = 'package line\n\nimport "net"\n\nfunc dial() { net.Dial("tcp", "server.test:9000", nil) }\n'
MENDED = 'package line\n\nimport (\n\t"net"\n\t"time"\n)\n\nvar dialer = net.Dialer{Timeout: time.Second, LocalAddr: nil}\n'

SCENARIO = Scenario(
    title="Myth: net.Dial takes a third argument",
    spec="https://pkg.go.dev/net#Dial",
    only=["go"],
    claim="A connection is dialled with net.Dial(network, address, nil).",
    judged="false",
    expected=[
        Expected(
            "compile", "REFUSED", message="too many arguments in call to net.Dial\n\thave (string, string, nil)\n\twant (string, string)"
        ),
        Expected("compile"),
        Expected("connect"),
    ],
    wire=["> S", "< SA", "> A"],
    never=["> R*", "< R*"],
    production="code copied from an article that was never compiled",
    diagnose="go build, or go vet",
    cure="net.Dialer{Timeout: …, LocalAddr: …}, or net.DialTimeout",
    hides="nothing: the compiler does not let it pass",
)


def test_myth_dial_nil_arg(lab: Lab) -> None:
    """Compile the line, compile what it should have been, and dial."""
    lab.client.compiles(SAID)
    lab.client.compiles(MENDED)
    lab.server.listen()
    lab.client.connect(deadline=5)
