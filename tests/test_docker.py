"""The `docker` backend against a real engine: what it is, that it agrees with `netns`, and that nothing of it is left."""

from __future__ import annotations

import gc
import http.server
import json
import os
import platform
import re
import select
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from faultlab import catalogue, identity
from faultlab.backends import BACKENDS, docker
from faultlab.backends.docker import Docker
from faultlab.errors import AgentError, BackendUnavailable
from faultlab.play import Play, Player
from faultlab.runtimes import all_runtimes, playing
from faultlab.testbed import Plan

SIXTEEN = (
    "bind-ok", "bind-not-local", "connect-ok", "connect-refused-rst", "connect-blackhole-app-timeout", "connect-icmp-host-unreach",
    "connect-no-route", "connect-ephemeral-exhausted", "self-connect", "exchange-ok", "read-eof", "read-reset", "read-deadline",
    "write-close-wait", "write-reset-first", "linger0-rst", "peer-close-unread-data", "use-after-close",
)  # fmt: skip
EVERYTHING = tuple(e.id for e in catalogue.load().values() if not (e.scenario.published or e.scenario.virtual_only))
AGREE = {"": SIXTEEN, "all": EVERYTHING}.get(asked := os.environ.get("FAULTLAB_AGREE", ""), tuple(asked.split(",")))
"""The scenarios that are played on both backends: `FAULTLAB_AGREE=all`, or ids with commas between them."""
RUNTIMES = os.environ.get("FAULTLAB_AGREE_RUNTIMES", "python,go,c").split(",")
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


EITHER: dict[tuple[str, ...], tuple[str, ...]] = {
    ("*net.OpError", "*poll.DeadlineExceededError"): ("*net.OpError", "*net.timeoutError"),
}
"""What a language itself chooses between by chance: in Go, whether a dial's context or its descriptor's timer is first to say so."""


def digest(play: Play) -> dict[str, Any]:
    """What two backends with the same kernel have to agree on: all but times, numbers of ports, and addresses.

    Acknowledgements without data are left out: whether one comes by itself or with the next segment depends on 40 ms (tcp_delack_timer).
    """

    def words(text: str | None) -> str | None:
        return text and re.sub(r"(198\.51\.100\.|2001:db8::)[0-9a-f]+", r"\1x", re.sub(r":\d{5}\b", ":port", text))

    seen = [(o.op, o.outcome, o.errno, o.type, EITHER.get(o.chain, o.chain), words(o.message), o.bytes, o.data) for o in play.observations]
    shown = [s for s in play.segments if s.icmp or (s.proto == "tcp" and (s.flags, s.len) != ("A", 0))]
    wire = [(words(s.sender), s.flags, s.len, s.icmp) for s in shown]
    return {"verdict": play.verdict, "reason": play.reason, "seen": seen, "wire": wire}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("scenario", AGREE)
def test_agrees_with_netns(engine: Docker, player: Player, scenario: str, runtime: str) -> None:
    entry = catalogue.load()[scenario]
    if runtime not in playing(entry.scenario.kind, [runtime], entry.scenario.only):
        pytest.skip(f"{scenario} is not about {runtime}")
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
            # Whoever has an IPv6 address reports its multicast groups now and then.
            assert not [name for name in host.counters() if "Tcp" in name or ("Out" in name and "6" not in name)]
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
engine = Docker()
engine.check()
sys.stdout.write(f"{session()} {engine._reaper.pid}\\n"); sys.stdout.flush()
with engine.testbed(Plan()) as bed:
    sys.stdout.write("up\\n"); sys.stdout.flush()
    sys.stdin.read()
"""


KILLS = int(os.environ.get("FAULTLAB_SIGKILLS", "2"))


@pytest.mark.parametrize("number", range(KILLS))
def test_nothing_is_left_after_sigkill(engine: Docker, number: int) -> None:
    """Killed at moments spread from the first request to a testbed that stands; when its reaper has ended, nothing is left."""
    session = subprocess.Popen([sys.executable, "-c", SESSION], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert session.stdout is not None and session.stdin is not None
    owner, reaper = session.stdout.readline().split()
    handle = os.pidfd_open(int(reaper))
    select.select([session.stdout], [], [], 2.0 * number / max(1, KILLS - 1))
    session.send_signal(signal.SIGKILL)
    session.wait()
    session.stdin.close()
    session.stdout.close()
    assert select.select([handle], [], [], 60)[0], "the reaper does not end"
    os.close(handle)
    client = docker.connect()
    assert not docker._labelled(client, owner)
    client.close()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # the SDK leaves one open where nobody listens any more
@pytest.mark.skipif("FAULTLAB_ENGINE" not in os.environ, reason="only an engine of the lab's own may be restarted (.ci/engine)")
def test_an_engine_that_is_restarted_in_the_middle_is_survived() -> None:
    """Alone, please (-n 0): it takes the engine away from everybody."""
    backend = Docker()
    with pytest.raises(AgentError, match="container"), backend.testbed(Plan()) as bed:
        for verb in (["stop", "keep"], ["start"]):
            subprocess.run([".ci/engine", *verb], check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
        bed.wait(1.0)
    with backend.testbed(Plan()) as bed:
        assert bed.host("client").sysctl("net.ipv4.tcp_syn_retries") == "6"
    backend.close()
    gc.collect()
    client = docker.connect()
    assert not docker._labelled(client, docker.session())
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


class Liar(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An engine that has everything, until it is asked for what it is told to refuse: method and end of the path -> its words."""

    daemon_threads = True

    def __init__(self, path: str, refuses: dict[str, str], version: dict[str, str]) -> None:
        super().__init__(path, Answer)
        self.refuses, self.asked = refuses, list[str]()
        self.version = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10", "Os": "linux", "Arch": "amd64", **version}


class Answer(http.server.BaseHTTPRequestHandler):
    """One conversation with it."""

    protocol_version = "HTTP/1.1"
    server: Liar

    def do_GET(self) -> None:
        asked = f"{self.command} /{self.path.partition('?')[0].rpartition('/')[2]}"
        self.server.asked.append(asked)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if asked == "POST /attach":  # from here on the connection is the container's standard streams
            self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            while self.rfile.read(1):
                pass
            self.close_connection = True
            return
        said: object = {"Id": "1" * 64, "Warnings": None, "StatusCode": 0, "Architecture": "amd64"}
        status = 201 if asked == "POST /create" else 200
        if asked == "GET /version":
            said = self.server.version
        elif asked in ("GET /json", "GET /networks") and "faultlab" not in self.path:
            said = []
        if words := self.server.refuses.get(asked):
            status, said = 500, {"message": words}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET  # noqa: N815  # as http.server looks for them

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def lying(monkeypatch: pytest.MonkeyPatch, refuses: dict[str, str], **version: str) -> Iterator[Liar]:
    with tempfile.TemporaryDirectory() as folder, Liar(f"{folder}/socket", refuses, version) as engine:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/socket")
        threading.Thread(target=engine.serve_forever, args=(0.01,)).start()
        try:
            yield engine
        finally:
            engine.shutdown()


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ({"ApiVersion": "1.39"}, "speaks API 1.39, 1.40 is needed.*update the engine"),
        ({"Os": "windows"}, "runs windows containers.*Linux containers"),
        ({"Arch": "arm64"}, "is for amd64, the engine runs on arm64.*docker build"),
    ],
)
def test_an_engine_that_will_not_do_is_named(monkeypatch: pytest.MonkeyPatch, version: dict[str, str], words: str) -> None:
    with lying(monkeypatch, {}, **version), pytest.raises(BackendUnavailable, match=words):
        Docker().check()


@pytest.mark.parametrize(
    ("asked", "said", "words"),
    [
        ("POST /create", "write /var/lib/docker/overlay2/x: no space left on device", "disk is full.*docker system prune"),
        ("POST /create", "invalid CapAdd: capability not permitted: NET_ADMIN", "allow NET_ADMIN and NET_RAW"),
        ("POST /start", "OCI runtime create failed: unable to apply caps: operation not permitted", "allow NET_ADMIN and NET_RAW"),
        ("POST /start", "exec /opt/venv/bin/python3: exec format error", "for another architecture.*docker build"),
        ("POST /start", "something that nobody has seen before", "something that nobody.*--backend netns"),
    ],
)
def test_a_refusal_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch, asked: str, said: str, words: str) -> None:
    with lying(monkeypatch, {asked: said}) as engine:
        backend = Docker()
        with pytest.raises(BackendUnavailable, match=words), backend.testbed(Plan()):
            pass
        backend.close()
        left = engine.asked.count("POST /create") - sum(a.startswith("DELETE") for a in engine.asked)
        assert asked == "POST /create" or left <= 0, engine.asked


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # the SDK leaves one open where nobody listens any more
def test_an_engine_that_goes_away_is_a_lab_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with lying(monkeypatch, {}) as engine:
        backend = Docker()
        backend.check()
        engine.shutdown()
        engine.server_close()
        with pytest.raises(AgentError, match="gives no answer"), backend.testbed(Plan()):
            pass
        backend.close()
    gc.collect()


def test_a_missing_image_is_said_with_the_command_that_builds_it(engine: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(docker.IMAGE, "faultlab-nobody-has-this")
    with pytest.raises(BackendUnavailable, match="docker build -t faultlab"):
        Docker().check()


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
