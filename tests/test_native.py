"""The backend that plays on this machine's own loopback: what it refuses, what it leaves behind, and that it needs nothing of Linux."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from faultlab import catalogue, connections, errnos
from faultlab.backends.native import BLOCK, PORTS, Direct, Native, Ports, stack
from faultlab.errors import BackendUnavailable, RuntimeUnavailable, Unavailable
from faultlab.play import Play, Player
from faultlab.runtimes import all_runtimes
from faultlab.testbed import Plan

ROOT = Path(__file__).parents[1]


def played(scenario: str, variant: str | None = None, runtime: str = "python") -> Play:
    return Player().play(catalogue.load()[scenario], all_runtimes()[runtime], Native(), variant)[0]


@pytest.fixture
def direct() -> Iterator[Direct]:
    made = Direct()
    yield made
    made.close()


@pytest.mark.parametrize("scenario", ["connect-ok", "linger0-rst", "peer-close-unread-data", "bind-addr-in-use", "self-connect", "http-ok"])
def test_what_needs_no_more_than_a_loopback_is_played(scenario: str) -> None:
    runtime = "python-urllib" if scenario.startswith("http") else "python"
    play = played(scenario, runtime=runtime)
    if scenario == "self-connect":  # it needs a range of ports of its own
        assert play.verdict == "unavailable"
        return
    assert (play.verdict, play.differences, play.reason) == ("match", (), None)
    assert play.segments == () or not list(play.segments)
    assert play.evidence["wire"].startswith("not seen")
    assert play.stack == stack()


@pytest.mark.parametrize(
    ("scenario", "needs"),
    [
        ("read-reset", "the fault ForgedReset"),
        ("connect-no-route", ""),
        ("backlog-full-syn-drop", "net.ipv4.tcp_syn_retries"),
        ("connect-loopback-source", "beyond the loopback"),
        ("connect-blackhole-app-timeout", "the fault FilterVerdict"),
        ("scripted-peer-ok", "a scripted peer"),
        ("connect-port-zero", "what the wire carried"),
        ("dns-nxdomain", "files of its own"),
        ("sock-destroy", "an administrator's right"),
        ("bind-privileged-port", "capabilities"),
        ("udp-broadcast-eacces", "nothing may leave this machine"),
    ],
)
def test_what_needs_more_is_unavailable_and_says_why(scenario: str, needs: str) -> None:
    play = played(scenario)
    assert play.verdict == "unavailable"
    assert needs in str(play.reason)
    assert "Remedy" in str(play.reason)


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "connect", "address": "198.51.100.2", "port": 9},
        {"op": "connect", "address": "192.168.0.1", "port": 9},
        {"op": "connect", "address": "2001:db8::1", "port": 9},
        {"op": "connect", "address": "fe80::1%lo", "port": 9},
        {"op": "connect", "address": "example.org", "port": 9},
        {"op": "resolve", "name": "example.org"},
        {"op": "send", "to": ["203.0.113.9", 9], "data": "x"},
        {"op": "fetch", "url": "http://example.org/", "method": "GET"},
        {"op": "fetch", "url": "http://198.51.100.2:80/", "method": "GET"},
        {"op": "listen", "address": "0.0.0.0", "port": 9},
        {"op": "bind", "address": "::", "port": 9},
    ],
)
def test_nothing_leaves(direct: Direct, request_: dict[str, object]) -> None:
    direct.ask("spawn", host="client", name="client", argv=[sys.executable, "-c", "print(input())"], env={}, limits={}, without=[])
    with pytest.raises(BackendUnavailable):
        direct.ask("tell", name="client", line=json.dumps(request_))
    assert direct.ask("wait", seconds=0.0)["events"] == []


@pytest.mark.parametrize("target", ["127.0.0.1", "127.9.9.9", "localhost", "0.0.0.0", "/tmp/x"])
def test_what_stays_is_passed_on(direct: Direct, target: str) -> None:
    direct.ask("spawn", host="client", name="client", argv=[sys.executable, "-c", "print(input())"], env={}, limits={}, without=[])
    line = json.dumps({"op": "connect", "address": target, "port": 9})
    direct.ask("tell", name="client", line=line)
    assert direct.ask("wait", seconds=20.0)["events"][0]["line"] == line


def test_hosts_that_share_an_address_are_not_in_each_others_way(direct: Direct) -> None:
    for name in ("client", "server"):
        direct.ask("spawn", host=name, name=name, argv=[sys.executable, "-c", "input()"], env={}, limits={}, without=[])
    line = json.dumps({"op": "listen", "address": "127.0.0.1", "port": 4321})
    direct.ask("tell", name="server", line=line)
    with pytest.raises(BackendUnavailable, match="both ask for the same port"):
        direct.ask("tell", name="client", line=line)


def test_ports_are_free_and_nobody_elses() -> None:
    first, second = Direct(), Direct()
    ports = {first.port(9000), first.port(9001), second.port(9000)}
    assert len(ports) == 3
    assert ports <= set(PORTS)
    assert first.port(9000) == first.port(9000)
    assert first.port(first.port(9000)) == first.port(9000)
    assert [first.port(n) for n in (0, 80, 70000)] == [0, 80, 70000]


def test_a_port_that_is_taken_is_passed_over() -> None:
    with closing(Ports()) as ports, socket.socket() as taken:
        port = ports.take(False)
        taken.bind(("127.0.0.1", port))
        assert port not in {ports.take(False) for _ in range(BLOCK)}


def test_processes_have_ports_of_their_own() -> None:
    """Looking whether a port is free is not having it: each has blocks of them, for as long as it lives."""
    within = range(11000, 11000 + 4 * BLOCK)  # not those that plays in other processes want at the same time
    with ExitStack() as undo:
        many = [undo.enter_context(closing(Ports(within))) for _ in range(5)]
        assert len({ports.take(False) // BLOCK for ports in many[:2]}) == 2
        with pytest.raises(BackendUnavailable, match="a free port between 11000 and 12999"):
            for ports in many:
                ports.take(False)


def test_a_local_port_that_somebody_else_has_too_is_not_asked_for() -> None:
    """Two connections may share it, but binding it again fails where the other one is not the play's."""
    direct = Direct()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as other:
        line = json.dumps({"op": "connect", "address": "127.0.0.1", "port": direct.port(9000), "local": list(other.getsockname())})
        with pytest.raises(BackendUnavailable, match="the local port to itself"):
            direct.ask("tell", name="client", line=line)


def test_programs_end_with_their_testbed_and_their_children_too() -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); input()"
    with Native().testbed(Plan()) as bed:
        program = bed.spawn("client", "client", [sys.executable, "-c", code], {})
        bed.wait_for("line", lambda: bool(program.lines), 20, lambda: "nothing")
        child = int(program.lines[0][1])
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # its new parent has to take notice of its end
            os.kill(child, 0)
            if (state := Path(f"/proc/{child}/stat")).exists() and ") Z " in state.read_text():
                raise ProcessLookupError
            threading.Event().wait(0.05)


def test_the_end_of_a_program_comes_after_its_words() -> None:
    code = "import sys; print('last'); print('why', file=sys.stderr); sys.exit(3)"
    with Native().testbed(Plan()) as bed:
        program = bed.spawn("client", "client", [sys.executable, "-c", code], {})
        bed.wait_for("end", lambda: program.ended is not None, 20, lambda: "running")
        assert [line for _, line in program.lines] == ["last"]
        assert program.ended == (3, "why\n")
        program.tell('{"op": "close"}')  # nobody hears this


@pytest.mark.parametrize("plan", [Plan(router=True), Plan(settings={"net.ipv4.tcp_syn_retries": 1}), Plan(published=True)])
def test_plans_that_need_more(plan: Plan) -> None:
    with pytest.raises(Unavailable, match="it needs"), Native().testbed(plan):
        pass


# ---- connections -----------------------------------------------------------------------------------------------------------


def test_connections_of_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            client.sendall(b"12345")
            here, there = client.getsockname(), client.getpeername()
            found = connections.connections()
            assert (here, there, "ESTABLISHED", 0) in found
            assert (there, here, "ESTABLISHED", 5) in found
            assert (there, ("0.0.0.0", 0), "LISTEN", 0) in found


def test_netstat_of_macos_and_the_bsds() -> None:
    text = """Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  127.0.0.1.9000         *.*                    LISTEN
tcp4       7      0  127.0.0.1.9000         127.0.0.1.52011        CLOSE_WAIT
tcp6       0      0  ::1.52012              ::1.9000               FIN_WAIT_2
tcp46      0      0  *.22                   *.*                    LISTEN
udp4       0      0  127.0.0.1.53           *.*
"""
    assert list(connections.netstat(text)) == [
        (("127.0.0.1", 9000), ("*", 0), "LISTEN", 0),
        (("127.0.0.1", 9000), ("127.0.0.1", 52011), "CLOSE_WAIT", 7),
        (("::1", 52012), ("::1", 9000), "FIN_WAIT2", 0),
        (("*", 22), ("*", 0), "LISTEN", 0),
    ]


def test_the_table_of_windows() -> None:
    lo = bytes([127, 0, 0, 1])
    rows = struct.pack("=I4s4s4s4sI", 2, lo, b"\x23\x28\0\0", bytes(4), b"\x12\x34\0\0", 1)
    rows += struct.pack("=I4s4s4s4sI", 8, lo, b"\x23\x28\0\0", lo, b"\xcb\x2b\0\0", 1)
    assert list(connections.windows(struct.pack("=I", 2) + rows, False)) == [
        (("127.0.0.1", 9000), ("0.0.0.0", 0), "LISTEN", None),
        (("127.0.0.1", 9000), ("127.0.0.1", 52011), "CLOSE_WAIT", None),
    ]
    row = struct.pack("=16sI4s16sI4sII", bytes(15) + b"\1", 0, b"\x23\x28\0\0", bytes(15) + b"\1", 0, b"\xcb\x2b\0\0", 11, 1)
    assert list(connections.windows(struct.pack("=I", 1) + row, True)) == [(("::1", 9000), ("::1", 52011), "TIME_WAIT", None)]


# ---- other systems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["darwin", "windows", "freebsd", "openbsd", "netbsd"])
def test_the_go_driver_is_compiled_for(system: str) -> None:
    runtime = all_runtimes()["go"]
    try:
        go = runtime.tools()["go"]
    except RuntimeUnavailable as e:
        pytest.skip(f"{e.reason}: {e.remedy}")
    env = {**os.environ, "GOOS": system, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOWORK": "off"}
    done = subprocess.run([go, "vet", "."], cwd=runtime.folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def headers_of(target: str, folder: Path, source: str) -> str:
    """What a compiler says of C source by the headers of another system, which ziglang carries; skips where that is not installed."""
    pytest.importorskip("ziglang", reason="no other system's headers here: pip install ziglang")
    file = folder / "source.c"
    file.write_text(source, encoding="utf-8")
    cc = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", file.name]
    env = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(folder), "ZIG_LOCAL_CACHE_DIR": str(folder)}
    return subprocess.run(cc, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False).stderr


@pytest.mark.parametrize("target", ["aarch64-macos", "x86_64-freebsd", "x86_64-netbsd"])
def test_the_c_driver_is_compiled_for(tmp_path: Path, target: str) -> None:
    assert headers_of(target, tmp_path, (all_runtimes()["c"].folder / "driver.c").read_text(encoding="utf-8")) == ""


@pytest.mark.parametrize("target", ["aarch64-macos", "x86_64-freebsd", "x86_64-linux-gnu"])
def test_the_rust_driver_has_the_numbers_of(tmp_path: Path, target: str) -> None:
    """Those it brings along, because std has none, against the system's own headers; below 0 is what the system must not have."""
    driver = (all_runtimes()["rust"].folder / "driver.rs").read_text(encoding="utf-8")
    linux, bsd, everywhere = re.split(r"\nmod (?:number|c) \{\n", driver)[1:]
    own = linux if "linux" in target else re.sub(r"if MACOS \{ (\S+) \} else \{ (\S+) \}", r"\1" if "macos" in target else r"\2", bsd)
    numbers = re.findall(r"pub const (\w+): c_int = (\S+);", own.partition("\n}")[0] + everywhere.partition("\n}")[0])
    assert len(numbers) == 19
    lines = ["#define _DEFAULT_SOURCE", *(f"#include <{h}.h>" for h in ("sys/types", "sys/socket", "netinet/in", "netinet/tcp"))]
    if "macos" in target:
        lines += ["#define TCP_KEEPIDLE TCP_KEEPALIVE", "#undef SO_LINGER", "#define SO_LINGER SO_LINGER_SEC"]
    for name, number in numbers:
        lines += [f"#ifdef {name}", f"#error {name}", "#endif"] if number == "-1" else [f'_Static_assert({name} == {number}, "");']
    assert headers_of(target, tmp_path, "\n".join(lines) + "\n") == ""


def test_windows_names_of_errnos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errno, "errorcode", {10054: "WSAECONNRESET", 10035: "WSAEWOULDBLOCK", 10061: "ECONNREFUSED"})
    assert [errnos.name_of(n) for n in (10054, 10035, 10061, 10099)] == ["ECONNRESET", "EAGAIN", "ECONNREFUSED", "E10099"]


ELSEWHERE = """
import sys
GONE = {"fcntl", "termios", "resource", "pwd", "grp", "pyroute2", "docker"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"there is no {name} on this system", name=name)

import os, sysconfig  # the standard library itself is this system's
sysconfig.get_config_vars()
for name in GONE:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
for name in ("pidfd_open", "pipe2", "sched_getaffinity"):
    delattr(os, name)
sys.platform = "darwin"
from faultlab.cli import main
main()
"""
NETSTAT = """#!{python}
import sys
sys.path.insert(0, {harness!r})
from faultlab import connections as c
from pathlib import Path
names = {{"FIN_WAIT1": "FIN_WAIT_1", "FIN_WAIT2": "FIN_WAIT_2", "SYN_RECV": "SYN_RCVD", "CLOSE": "CLOSED"}}
for name in ("tcp", "tcp6"):
    for (a, p), (b, q), state, unread in c.linux(Path("/proc/net", name).read_text()):
        print(f"tcp4 {{unread}} 0 {{a}}.{{p or '*'}} {{b}}.{{q or '*'}} {{names.get(state, state)}}")
"""


def test_it_needs_nothing_of_linux(tmp_path: Path) -> None:
    """The command, with everything taken away that other systems do not have, and their `netstat` in the place of Linux's files."""
    stand_in = tmp_path / "netstat"
    stand_in.write_text(NETSTAT.format(python=sys.executable, harness=str(ROOT / "harness")), encoding="utf-8")
    stand_in.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "harness")}
    wanted = ["connect-ok", "read-eof", "linger0-rst", "peer-close-unread-data", "write-close-wait", "accept-blocked-close", "read-reset"]
    argv = [sys.executable, "-c", ELSEWHERE, "run", *wanted, "-r", "python", "--backend", "native", "--variant", "plain", "--json"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    plays = {p["scenario"]: p for p in map(json.loads, done.stdout.splitlines())}
    assert {s: plays[s]["verdict"] for s in wanted[:-2]} == dict.fromkeys(wanted[:-2], "match"), done.stderr
    assert plays["accept-blocked-close"]["verdict"] in ("match", "deviates", "unavailable")  # whether a program sleeps is told by /proc
    assert plays["read-reset"]["verdict"] == "unavailable"
