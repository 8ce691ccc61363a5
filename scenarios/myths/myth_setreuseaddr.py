"""A line from an article is compiled: SetReuseAddr on a connection.

A *net.TCPConn has no such method, and one would come too late: SO_REUSEADDR is looked at by bind (inet_csk_get_port), and a connection is
bound already. Where it matters, at a listener, package net sets it by itself; anything else is set by the Control function of a
net.ListenConfig or net.Dialer, which runs before the bind.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SAID = 'package line\n\nimport "net"\n\nfunc reuse(conn *net.TCPConn) { conn.SetReuseAddr(true) }\n'
MENDED = """package line

import (
	"net"
	"syscall"
)

var config = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
}}
"""

SCENARIO = Scenario(
    title="Myth: conn.SetReuseAddr(true)",
    spec="https://pkg.go.dev/net#ListenConfig",
    only=["go"],
    claim="A connection is given SO_REUSEADDR by calling SetReuseAddr(true) on it.",
    judged="false",
    expected=[
        Expected(
            "compile",
            "REFUSED",
            message="conn.SetReuseAddr undefined (type *net.TCPConn has no field or method SetReuseAddr)",
        ),
        Expected("compile"),
        Expected("listen"),
    ],
    never=["> *", "< *"],
    production="code copied from an article that was never compiled",
    diagnose="go build, or go vet; strace -e trace=setsockopt shows the listener's own",
    cure="nothing at a listener, which has it; else the Control function of net.ListenConfig or net.Dialer",
    hides="nothing: the compiler does not let it pass",
)


def test_myth_setreuseaddr(lab: Lab) -> None:
    """Compile the line, compile what it should have been, and listen with the option set before the bind."""
    lab.client.compiles(SAID)
    lab.client.compiles(MENDED)
    lab.client.listen(options={"reuseaddr": True})
