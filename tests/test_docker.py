"""The `docker` backend against a real engine: what it is, that it agrees with `netns`, and that nothing of it is left."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from faultlab import catalogue, identity
from faultlab.backends import BACKENDS, docker
from faultlab.backends.docker import Docker
from faultlab.errors import BackendUnavailable
from faultlab.play import Play, Player
from faultlab.runtimes import all_runtimes
from faultlab.testbed import Plan

SIXTEEN = (
    "bind-ok", "bind-not-local", "connect-ok", "connect-refused-rst", "connect-blackhole-app-timeout", "connect-icmp-host-unreach",
    "connect-no-route", "connect-ephemeral-exhausted", "self-connect", "exchange-ok", "read-eof", "read-reset", "read-deadline",
    "write-close-wait", "write-reset-first", "linger0-rst", "peer-close-unread-data", "use-after-close",
)  # fmt: skip
NETNS = next(b for b in BACKENDS if b.name == "netns")


@pytest.fixture(scope="session")
def engine() -> Iterator[Docker]:
    """A backend with an engine behind it; without one there is nothing to test here."""
    found = Docker()
    try:
        found.check()
    except BackendUnavailable as e:
        pytest.skip(str(e))
    yield found
    found.close()


@pytest.fixture(scope="session")
def player() -> Player:
    return Player()


def digest(play: Play) -> dict[str, Any]:
    """What two backends with the same kernel have to agree on: all but times, numbers of ports, and addresses.

    Acknowledgements without data are left out: whether one comes by itself or with the next segment depends on 40 ms (tcp_delack_timer).
    """

    def words(text: str | None) -> str | None:
        return text and re.sub(r"(198\.51\.100\.|2001:db8::)[0-9a-f]+", r"\1x", re.sub(r":\d{5}\b", ":port", text))

    seen = [(o.op, o.outcome, o.errno, o.type, o.chain, words(o.message), o.bytes, o.data) for o in play.observations]
    wire = [(s.sender, s.flags, s.len, s.icmp) for s in play.segments if s.icmp or (s.proto == "tcp" and (s.flags, s.len) != ("A", 0))]
    return {"verdict": play.verdict, "reason": play.reason, "seen": seen, "wire": wire}


@pytest.mark.parametrize("runtime", ["python", "go", "c"])
@pytest.mark.parametrize("scenario", SIXTEEN)
def test_agrees_with_netns(engine: Docker, player: Player, scenario: str, runtime: str) -> None:
    entry = catalogue.load()[scenario]
    for variant in (None, *entry.scenario.variants):
        here, there = (player.play(entry, all_runtimes()[runtime], b, variant)[0] for b in (NETNS, engine))
        if there.verdict == "unavailable":
            pytest.skip(str(there.reason))
        assert digest(there) == digest(here), variant


def test_container_is_an_ordinary_one(engine: Docker) -> None:
    with engine.testbed(Plan()) as bed:
        client = docker.connect()
        for channel in bed.channels:
            assert isinstance(channel, docker.Attached)
            host = client.api.inspect_container(channel.container)["HostConfig"]
            assert not host["Privileged"] and host["CapDrop"] == ["ALL"] and sorted(host["CapAdd"]) == ["NET_ADMIN", "NET_RAW"]
            assert host["NetworkMode"] != "host" and not host["PortBindings"] and host["AutoRemove"]
            assert client.api.inspect_network(host["NetworkMode"])["Internal"]
        client.close()
        for family in ("-4", "-6"):
            assert "default" not in bed.host("client").run("ip", family, "route").stdout


def test_nothing_of_a_play_is_seen_by_the_next(engine: Docker) -> None:
    """Routes, rules, settings, files, neighbours, sockets and counters are as they were, in the same containers."""
    looks = (["ip", "route", "show", "table", "all"], ["ip", "rule"], ["ip", "neigh"], ["cat", "/etc/hosts"], ["ip", "link"])
    seen = []
    for _ in range(2):
        with engine.testbed(Plan(settings={"net.ipv4.tcp_syn_retries": 2})) as bed:
            host = bed.host("client")
            assert not [name for name in host.counters() if "Tcp" in name or "Out" in name]
            assert host.sysctl("net.ipv4.tcp_syn_retries") == "2"
            seen.append([host.run(*look).stdout for look in looks])
            assert "-A" not in host.run("iptables-save").stdout
            host.route("add", "203.0.113.0/24", kind="blackhole")
            host.route("add", "198.51.100.200/32", kind="prohibit")
            host.run("iptables", "-A", "INPUT", "-p", "tcp", "-j", "DROP")
            host.file("/etc/hosts", "127.0.0.1 elsewhere\n")
            made = {c.container for c in bed.channels if isinstance(c, docker.Attached)}
    with engine.testbed(Plan()) as bed:
        assert bed.host("client").sysctl("net.ipv4.tcp_syn_retries") == "6"
    assert seen[0] == seen[1] and made


def test_what_cannot_be_put_back_replaces_the_containers(engine: Docker) -> None:
    def ids() -> set[str]:
        with engine.testbed(Plan()) as bed:
            return {c.container for c in bed.channels if isinstance(c, docker.Attached)}

    before = ids()
    assert ids() == before
    with engine.testbed(Plan()) as bed:
        bed.host("client").link(mtu=1300)
    assert ids().isdisjoint(before)


def test_the_wait_of_two_agents_ends_when_either_has_news(engine: Docker) -> None:
    with engine.testbed(Plan()) as bed:
        for host in ("client", "server"):
            bed.spawn(host, host, ["sh", "-c", "read line; echo $line; exec cat"], {})
            began = bed.wait(0.0)
            bed.programs[host].tell("news")
            bed.wait_for("a line", lambda host=host: bool(bed.programs[host].lines), 20, lambda: "nothing")  # type: ignore[misc]
            assert bed.wait(0.0) - began < 10
            assert [line for _, line in bed.programs[host].lines] == ["news"]


def test_an_engine_that_loses_the_container_is_survived(engine: Docker) -> None:
    with pytest.raises(Exception, match="container ended"), engine.testbed(Plan()) as bed:
        client = docker.connect()
        client.api.remove_container(bed.channels[0].container, force=True)  # type: ignore[attr-defined]
        client.close()
        bed.wait(1.0)
    with engine.testbed(Plan()) as bed:
        assert bed.host("client").sysctl("net.ipv4.tcp_syn_retries") == "6"


SESSION = """
import sys
from faultlab.backends.docker import Docker, session
from faultlab.testbed import Plan
sys.stdout.write(session() + "\\n"); sys.stdout.flush()
with Docker().testbed(Plan()) as bed:
    sys.stdout.write("up\\n"); sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.mark.parametrize("when", ["while it starts", "when it stands"])
def test_nothing_is_left_after_sigkill(engine: Docker, when: str) -> None:
    session = subprocess.Popen([sys.executable, "-c", SESSION], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert session.stdout is not None and session.stdin is not None
    owner = session.stdout.readline().strip()
    if when == "when it stands":
        assert session.stdout.readline() == "up\n"
    session.send_signal(signal.SIGKILL)
    session.wait()
    session.stdin.close()
    session.stdout.close()
    client = docker.connect()
    end = time.monotonic() + 30
    while left := docker._labelled(client, owner):
        assert time.monotonic() < end, left
        time.sleep(0.1)
    client.close()


def test_clean_removes_what_dead_sessions_left_and_nothing_else(engine: Docker) -> None:
    client = docker.connect()
    dead = f"1.{os.getpid()}@{platform.node()}"
    networks = {
        owner: client.api.create_network(f"faultlab-test-{number}-{identity.own()}", internal=True, labels={docker.LABEL: owner})["Id"]
        for number, owner in enumerate((dead, docker.session(), "1.1@another machine"))
    }
    assert docker.clean() == [f"network {networks[dead][:12]}"]
    left = {n["Id"] for n in client.api.networks(filters={"label": docker.LABEL})}
    assert left >= {networks[docker.session()], networks["1.1@another machine"]}
    for owner in (docker.session(), "1.1@another machine"):
        client.api.remove_network(networks[owner])
    client.close()


# ---- without an engine ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "words"),
    [("unix:///nonexistent/docker.sock", "no engine at"), ("tcp://127.0.0.1:1", "no engine at"), ("nonsense://x", "cannot be spoken to")],
)
def test_no_engine_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch, where: str, words: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", where)
    with pytest.raises(BackendUnavailable, match=words) as e:
        Docker().check()
    assert "--backend netns" in e.value.remedy


def test_no_right_is_said_with_the_remedy() -> None:
    words = docker._no_engine(Exception("x", PermissionError(13, "Permission denied")), "unix:///var/run/docker.sock")
    assert "usermod -aG docker" in words[1]


class Says:
    """An engine that says what it is told to."""

    def __init__(self, version: dict[str, str], image: dict[str, str]) -> None:
        self._version, self._image = version, image
        self.images = self

    def version(self) -> dict[str, str]:
        return self._version

    def get(self, name: str) -> Any:
        return type("Image", (), {"attrs": self._image})


@pytest.mark.parametrize(
    ("version", "image", "words"),
    [
        ({"ApiVersion": "1.39"}, {}, "speaks API 1.39, 1.40 is needed"),
        ({"ApiVersion": "1.41", "Os": "windows"}, {}, "runs windows containers"),
        ({"ApiVersion": "1.41", "Arch": "arm64"}, {"Architecture": "amd64"}, "is for amd64, the engine runs on arm64"),
    ],
)
def test_an_engine_that_will_not_do_is_named(version: dict[str, str], image: dict[str, str], words: str) -> None:
    with pytest.raises(BackendUnavailable, match=words):
        docker._usable(Says(version, image))  # type: ignore[arg-type]


def test_a_missing_image_is_said_with_the_command_that_builds_it(engine: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(docker.IMAGE, "faultlab-nobody-has-this")
    with pytest.raises(BackendUnavailable, match="docker build -t faultlab"):
        Docker().check()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("write /x: no space left on device", "docker system prune"), ("exec format error", "another architecture"),
        ("invalid CapAdd: capability not permitted", "NET_ADMIN"), ("something else", "--backend netns"),
    ],
)  # fmt: skip
def test_a_refusal_is_said_with_the_remedy(said: str, words: str) -> None:
    assert words in " ".join(docker._why_not(Exception(said)))


def test_a_router_passes_on_what_it_is_given(engine: Docker) -> None:
    serve = "import socket; l = socket.create_server(('', 9000)); print('up', flush=True); l.accept()[0].send(b'x')"
    ask = "import socket, sys; print(socket.create_connection((sys.argv[1], 9000)).recv(1), flush=True)"
    try:
        with engine.testbed(Plan(router=True)) as bed:
            for host, argv in (("server", ["python3", "-c", serve]), ("client", ["python3", "-c", ask, bed.host("server").address(4)])):
                program = bed.spawn(host, host, argv, {})
                bed.wait_for("a line", lambda program=program: bool(program.lines), 20, lambda: "nothing")  # type: ignore[misc]
            assert [line for _, line in program.lines] == ["b'x'"]
            assert {p.at for p in bed.packets if p.proto == "tcp"} == {"client", "server"}
    except BackendUnavailable as e:
        pytest.skip(str(e))
