"""Nothing stays and nothing leaves: a harness that is killed at any moment, a testbed that could not be built, addresses outside.

These tests build real testbeds; where namespaces are forbidden they are skipped with the reason. `FAULTLAB_KILLS=200 pytest
tests/test_safety.py` kills longer.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faultlab import catalogue
from faultlab.backends.netns import Netns
from faultlab.errors import AgentError, Unavailable
from faultlab.lab import Lab
from faultlab.play import Player
from faultlab.remote import Channel, topology
from faultlab.runtimes import all_runtimes
from faultlab.testbed import Plan

KILLS = int(os.environ.get("FAULTLAB_KILLS", "10"))
MOMENTS = (0.4, 0.1)
"""Seconds within which a harness is killed: after it began, its agent's start included; and after the beginning of its first story."""
GONE_WITHIN = 10.0
MARK = "FAULTLAB_TEST"


@pytest.fixture(scope="module")
def netns() -> Iterator[Netns]:
    backend = Netns()
    try:
        backend.check()
    except Unavailable as e:
        pytest.skip(str(e))
    yield backend
    backend.close()


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Something that every process started from here on carries in its environment, whatever becomes of its parents."""
    value = uuid.uuid4().hex
    monkeypatch.setenv(MARK, value)
    return value


def marked(mark: str) -> list[int]:
    """The processes that carry the mark, as far as this user may look; known by what they are, not by their names or numbers."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # gone, or not ours
                continue
            if f"{MARK}={mark}".encode() in environment:
                found.append(int(folder.name))
    return found


def await_gone(mark: str) -> None:
    """Wait until nobody carries the mark."""
    end = time.monotonic() + GONE_WITHIN
    while pids := marked(mark):
        left = end - time.monotonic()
        assert left > 0, f"still there after {GONE_WITHIN:g} s: " + ", ".join(_command(pid) for pid in pids)
        try:
            fd = os.pidfd_open(pids[0])
        except ProcessLookupError:
            continue
        try:
            select.select([fd], [], [], left)
        finally:
            os.close(fd)


def _command(pid: int) -> str:
    try:
        return f"{pid} " + Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    except OSError:
        return str(pid)


def halves(channel: Channel) -> tuple[int, int]:
    """The agent's parent, which waits outside, and the agent itself, which is process 1 of its namespace."""
    parent = channel.process.pid
    (agent,) = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    return parent, int(agent)


def outside() -> dict[str, object]:
    """What a play might leave in the world outside: interfaces, namespaces held by a name, mounts.

    A namespace without a name lives only as long as a process is in it or has it open.
    """
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {
        "interfaces": socket.if_nameindex(),
        "named namespaces": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
        "mounts": sorted(line.split(maxsplit=1)[1] for line in mounts if "nsfs" in line or "faultlab" in line),
    }


# ---- killed --------------------------------------------------------------------------------------------------------

# Forks a harness for every line it reads: whatever takes long (imports, building drivers) has been done before.
HARNESSES = """
import dataclasses, os, sys
from faultlab import catalogue
from faultlab.backends.netns import Netns
from faultlab.play import Player, peer_runtime
from faultlab.runtimes import all_runtimes

entry, runtime = catalogue.load()["connect-refused-rst"], all_runtimes()["python"]

plain = entry.story

def story(lab):
    os.write(1, b"in the middle\\n")
    plain(lab)

entry = dataclasses.replace(entry, story=story)
runtime.prepare(), peer_runtime()
print("ready", flush=True)
for line in sys.stdin:
    if (child := os.fork()) == 0:
        os.environ.update(dict([line.strip().split("=")]))
        player, backend = Player(), Netns()
        while True:
            for variant in (None, "ipv6", "firewall"):
                play, problem = player.play(entry, runtime, backend, variant)
                if problem is not None:
                    print(problem, file=sys.stderr, flush=True)
                    os._exit(1)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def test_killed_harness_leaves_nothing(netns: Netns, tmp_path: Path) -> None:
    """SIGKILL, which nobody can prepare for, at random moments: of the agent's start, of building, playing and undoing."""
    seed = int.from_bytes(os.urandom(4))
    moments, mark = random.Random(seed), uuid.uuid4().hex
    before = outside()
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", HARNESSES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as nursery:
        assert nursery.stdin is not None and nursery.stdout is not None and nursery.stderr is not None
        assert nursery.stdout.readline() == "ready\n", nursery.stderr.read()
        for number in range(KILLS):
            nursery.stdin.write(f"{MARK}={mark}\n")
            nursery.stdin.flush()
            harness = int(nursery.stdout.readline())
            if number % 2:
                assert nursery.stdout.readline() == "in the middle\n", nursery.stderr.readline()
            time.sleep(moments.uniform(0, MOMENTS[number % 2]))  # the one place where no event is waited for: any moment will do
            with suppress(ProcessLookupError):  # ended by itself, which is told next
                os.kill(harness, signal.SIGKILL)
            status = int(next(line for line in nursery.stdout if line != "in the middle\n"))
            assert status == -signal.SIGKILL, f"the harness ended by itself: {nursery.stderr.readline()}"
            await_gone(mark)
        nursery.stdin.close()
    assert outside() == before, f"seed {seed}"
    assert not list(tmp_path.iterdir()), f"seed {seed}"


def test_agent_ends_with_its_standard_input(mark: str, netns: Netns) -> None:
    """However the harness ends, its end of the pipe is closed; the agent takes programs and namespaces along."""
    backend = Netns()
    with backend.testbed(Plan()) as bed:
        bed.spawn("client", "client", ["sh", "-c", "echo here; read never"], {})
        # A program that has only just begun (execve(2)) has no environment to be known by yet.
        bed.wait_for("the program", lambda: bool(bed.programs["client"].lines), 10, lambda: "nothing")
        channel = bed.channels[0]
        parent, agent = halves(channel)
        (program,) = set(marked(mark)) - {parent, agent}  # an ordinary user cannot look into all of the agent's own processes
        ends = [os.pidfd_open(pid) for pid in (agent, program)]
        assert channel.process.stdin is not None
        channel.process.stdin.close()
        assert channel.process.wait(10) == 0
        for end in ends:
            assert select.select([end], [], [], GONE_WITHIN)[0]
            os.close(end)
        await_gone(mark)
        channel.broken = True
    backend.close()


def test_killed_agent(mark: str, netns: Netns) -> None:
    """Both halves of the agent: whichever dies, the other one follows, and the next testbed gets a new one."""
    backend = Netns()
    for half in range(2):
        with pytest.raises(AgentError, match="the agent ended"), backend.testbed(Plan()) as bed:
            bed.spawn("client", "client", ["sleep", "1000"], {})
            os.kill(halves(bed.channels[0])[half], signal.SIGKILL)
            bed.wait_for("nothing", lambda: False, 5, lambda: "nothing")
        await_gone(mark)
    with backend.testbed(Plan()) as bed:
        assert bed.host("client").address(4) == "198.51.100.1"
    backend.close()
    await_gone(mark)


def test_an_agent_outlives_the_thread_that_asked_for_it(netns: Netns) -> None:
    backend = Netns()
    thread = threading.Thread(target=backend._agent)
    thread.start()
    thread.join()
    agent = backend._agent()
    assert agent.ask("wait", seconds=0.05)["now"] > 0
    assert backend._agent() is agent
    backend.close()


def test_exception_in_a_story(mark: str, netns: Netns) -> None:
    """A testbed is undone also when a story fails, programs and all."""
    with pytest.raises(ZeroDivisionError), netns.testbed(Plan()) as bed:
        bed.spawn("client", "client", ["sh", "-c", "sleep 1000 & sleep 1000"], {MARK: mark})
        raise ZeroDivisionError
    await_gone(mark)


# ---- half-built ----------------------------------------------------------------------------------------------------


def held(agent: Channel) -> int:
    """How many network namespaces the agent holds besides its own."""
    links = []
    try:
        for fd in Path(f"/proc/{halves(agent)[1]}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since the folder was read: the agent lets go in a thread
                links.append(os.readlink(fd))
    except PermissionError:  # the agent is somebody else in its user namespace
        pytest.skip("the agent's descriptors can be looked at by root only")
    return len({link for link in links if link.startswith("net:")}) - 1


def await_held(agent: Channel, number: int) -> None:
    """The agent lets go in a thread of its own; each question it answers gives it time to."""
    end = time.monotonic() + GONE_WITHIN
    while held(agent) != number:
        assert time.monotonic() < end, f"the agent holds {held(agent)} namespaces, not {number}"
        agent.ask("wait", seconds=0.01)


@pytest.mark.parametrize("settings", [{"net.ipv4.ip_local_port_range": "nonsense"}, {"net.ipv4.tcp_syn_retries": 1000}])
def test_half_a_testbed_for_a_bad_setting(netns: Netns, settings: dict[str, str | int]) -> None:
    with pytest.raises(AgentError, match="build: OSError"), netns.testbed(Plan(settings=settings)):
        raise AssertionError("it was built")
    _whole_again(netns)


def test_half_a_testbed_for_a_bad_link(netns: Netns) -> None:
    plan = topology(Plan())
    with pytest.raises(AgentError, match="build: "):
        netns._agent().ask("build", **{**plan, "links": plan["links"] * 2})
    _whole_again(netns)


def test_half_a_testbed_for_a_bad_route(netns: Netns) -> None:
    with pytest.raises(AgentError, match="build: "):
        netns._agent().ask("build", **{**topology(Plan()), "routes": {"client": [{"dst": "203.0.113.0/24", "via": "203.0.113.1"}]}})
    _whole_again(netns)


def _whole_again(netns: Netns) -> None:
    entry = catalogue.load()["connect-refused-rst"]
    play, problem = Player().play(entry, all_runtimes()["python"], netns)
    assert problem is None and play.verdict == "match"
    await_held(netns._agent(), 0)


def test_a_testbed_holds_two_namespaces(netns: Netns) -> None:
    """What the tests above measure is there to be measured."""
    with netns.testbed(Plan()) as bed:
        agent = bed.channels[0]
        await_held(agent, 2)
    await_held(agent, 0)


# ---- nothing leaves ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", [False, True], ids=["wire", "router"])
def test_no_way_out(netns: Netns, router: bool) -> None:
    """The routing tables of all hosts know the lab's own networks and nothing else."""
    with netns.testbed(Plan(router=router)) as bed:
        for host in bed.hosts.values():
            for address in ("192.0.2.1", "8.8.8.8", "10.0.0.1", "169.254.169.254", "2001:4860:4860::8888", "fd00::1"):
                found = host.lookup(address)
                assert found["errno"], f"{host.name} has a way to {address}: {found}"
            assert not host.lookup(bed.host("client").address(4))["errno"]
            interfaces = host.run("cat", "/proc/net/dev").stdout
            assert {line.split(":")[0].strip() for line in interfaces.splitlines()[2:]} <= {"lo", "eth0", "eth1"}


def test_the_machine_s_own_settings_are_not_touched(netns: Netns) -> None:
    names = (
        "ipv4/ip_forward",
        "ipv4/ip_local_port_range",
        "ipv4/tcp_syn_retries",
        "ipv4/tcp_congestion_control",
        "ipv6/conf/all/forwarding",
    )
    files = [Path("/proc/sys/net", name) for name in names if Path("/proc/sys/net", name).exists()]
    before = [file.read_text(encoding="ascii") for file in files]
    with netns.testbed(Plan(router=True, settings={"net.ipv4.tcp_syn_retries": 1})) as bed:
        assert bed.host("client").sysctl("net.ipv4.tcp_syn_retries") == "1"
        assert [file.read_text(encoding="ascii") for file in files] == before
    assert [file.read_text(encoding="ascii") for file in files] == before


def test_workers_have_addresses_of_their_own() -> None:
    plans = [Plan(number=n, router=router) for n in range(60) for router in (False, True)]
    for router in (False, True):
        clients = [p.addresses("client") for p in plans if p.router is router]
        assert len(set(clients)) == len(clients)


def test_a_foreign_target_meets_no_network(netns: Netns) -> None:
    """Refused by name, before a packet or a socket."""

    def story(lab: Lab) -> None:
        lab.client.connect(80, address="192.0.2.1")

    entry = catalogue.load()["connect-refused-rst"]
    foreign = catalogue.Entry("a-test", "connect", entry.scenario, story, "A test.", entry.path)
    play, _ = Player().play(foreign, all_runtimes()["python"], netns)
    assert play.verdict == "lab-error"
    assert play.reason is not None and play.reason.startswith("ForbiddenTarget: 192.0.2.1 is not an address of the lab")
    assert not play.segments and not play.observations
