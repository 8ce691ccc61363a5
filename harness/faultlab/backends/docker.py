"""Hosts as containers of a Docker engine, joined by `internal` networks: ordinary containers, like the ones that fail at work.

One agent a container, for many plays, spoken to over the container's own standard input and output. When that input ends, because the lab
closed it or was killed, the agent ends, and with it the container, which the engine then removes by itself. Networks have no such life of
their own: a reaper, a process that does nothing but wait for the lab's end, removes what carries the session's label.

A container may not make namespaces, so between plays the network state of each is put back and compared with what it was at first; if
anything differs, the containers are replaced. Kernel settings are read-only inside an ordinary container. So `/proc/sys/net`, which is that
of each reader's own network namespace, is mounted a second time, writable; where an engine does not allow that, other settings are other
containers.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import platform
import queue
import select
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from faultlab import identity, remote
from faultlab.errors import AgentError, BackendUnavailable
from faultlab.remote import ANSWER_WITHIN, Channel, RemoteHost, RemoteTestbed, topology
from faultlab.testbed import PINNED, Plan

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.types import IPAMPool

IMAGE = "FAULTLAB_DOCKER_IMAGE"
"""The environment variable that names another image than `faultlab`."""
PACKAGE = Path(remote.__file__).parent
LABEL = "faultlab.session"
OLDEST_API = (1, 40)
"""Docker 19.03, Podman 3: the first that take all we ask for."""
QUIET = 2.0
"""Seconds without anything of a dead session after which nothing more of it is on its way."""
SLOTS = 30
"""Networks that fit side by side into the documentation addresses, eight addresses each: engines refuse overlapping ones."""
AT_A_TIME = 6
"""Plays that a session plays side by side; most of their time goes by in waiting for timers of the kernel."""
MOST = 8
"""Testbeds of a session, those included that wait for another play."""
PUBLISHED = 9000
"""The port that a scenario about published ports has published."""
KNOCK = (
    "import socket, sys\n"
    "s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)\n"
    "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')\n"  # nothing of it is on the wire later on
    "sys.exit(len(s.recv(1)))"
)
"""A proxy accepts, and hangs up when nobody answers behind it."""
DRIVERS = "/opt/faultlab/drivers.json"
WAYS_ON = "play on another backend: --backend netns, --backend uml"
BUILD = "docker build -t faultlab FOLDER, with the folder of faultlab's source"
FIRST = (
    "import os, runpy, sys\n"
    "left, file = int(sys.argv.pop()), os.memfd_create('faultlab')\n"
    "while left:\n"
    "    more = os.read(0, left)\n"
    "    if not more: sys.exit(0)\n"
    "    left -= os.write(file, more)\n"
    "sys.path.insert(0, f'/proc/self/fd/{file}')\n"
    "runpy.run_module('faultlab.agent', run_name='__main__')\n"
)
"""What a container runs: the agent, which comes over its standard input. So it is the lab's own, whenever the image was built."""
REAPER = "import sys; sys.stdin.read() or __import__('faultlab.backends.docker', fromlist=['x']).reap(sys.argv[1])"


@cache
def agent() -> bytes:
    """The agent's source, as an archive that Python imports from."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        for path in sorted({*PACKAGE.glob("*.py"), *PACKAGE.glob("agent/**/*.py")}):
            z.write(path, f"faultlab/{path.relative_to(PACKAGE)}")
    return archive.getvalue()


class Attached(Channel):
    """The channel to the agent of a container: its standard streams, which the engine passes on (Engine API, ContainerAttach)."""

    def __init__(self, client: DockerClient, container: str, name: str) -> None:
        self.name, self.virtual, self.broken = name, False, False
        self.client, self.container = client, container
        self._buffer, self._frames, self._words, self._id, self._closed = b"", b"", b"", 0, False
        self._stream = client.api.attach_socket(container, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        self._socket: Any = getattr(self._stream, "_sock", self._stream)  # the SDK wraps a socket of this machine for reading
        self._socket.settimeout(ANSWER_WITHIN)
        self._out = self._socket.fileno()

    def start(self) -> Mapping[str, Any]:
        """Start the container and hand the agent its source; returns its greeting."""
        self.client.api.start(self.container)
        with self._whole():
            self._send(agent())
            return self.read(ANSWER_WITHIN)

    def ready(self) -> bool:
        """Whether something is here that `fileno` does not tell of."""
        return bool(self._buffer or self._frames) or self._pending() > 0

    def _pending(self) -> int:
        pending: Callable[[], int] = getattr(self._socket, "pending", int)
        return pending()

    def _send(self, payload: bytes) -> None:
        self._socket.sendall(payload)

    def read(self, within: float) -> dict[str, Any]:
        """Read one answer. Raises AgentError with what it said on standard error when it ends."""
        end = time.monotonic() + within
        while b"\n" not in self._buffer:
            if not self._pending() and not select.select([self._out], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AgentError(f"{self.name}: no answer within {within:g} s of real time")
            if not self._more():
                words = self._words.decode(errors="replace").strip()
                raise AgentError(f"{self.name}: its container ended" + (f": {words}" if words else ""))
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise AgentError(f"{self.name}: babbled {line[:200]!r}")
        return answer

    def _more(self) -> bool:
        """Read, and sort the frames: a byte for the stream, three of nothing, four of length."""
        try:
            chunk = self._socket.recv(1 << 18)
        except ConnectionError:
            chunk = b""
        self._frames += chunk
        while len(self._frames) >= 8 and len(self._frames) >= (size := 8 + int.from_bytes(self._frames[4:8], "big")):
            if self._frames[0] == 2:
                self._words = (self._words + self._frames[8:size])[-65536:]
            else:
                self._buffer += self._frames[8:size]
            self._frames = self._frames[size:]
        return bool(chunk)

    def _last_words(self) -> str:
        words = self._words.decode(errors="replace").strip()
        return ", and its container with it" + (f": {words}" if words else "")

    def release(self) -> None:
        """End its standard input, and so the agent and its container."""
        self.broken = True
        with suppress(OSError):
            getattr(self._socket, "shutdown_write", lambda: self._socket.shutdown(socket.SHUT_WR))()

    def close(self) -> None:
        """Wait until the engine has removed the container; insist after ten seconds."""
        from docker.errors import APIError

        self.release()
        with suppress(OSError, ValueError):
            end = time.monotonic() + 10
            while not self._closed and select.select([self._out], [], [], max(0.0, end - time.monotonic()))[0] and self._more():
                pass
        self._closed = True  # the number of its descriptor may be another's soon
        for part in (getattr(self._stream, "_response", None), self._stream, self._socket):  # each of them holds it open
            if part is not None:
                with suppress(OSError):
                    part.close()
        _removed(self.client, self.container, APIError)


def _removed(client: DockerClient, container: str, error: type[Exception]) -> None:
    """Wait until a container is gone; remove it where it does not go."""
    import requests

    try:
        client.api.wait(container, timeout=10, condition="removed")
    except requests.exceptions.RequestException:
        with suppress(error):
            client.api.remove_container(container, force=True)
    except error:
        return  # gone already


def _dialling(bed: RemoteTestbed) -> bool:
    """Whether the engine's proxy still calls a server that has not answered: the next play would hear it."""
    called = {p.sport for p in bed.packets if p.src == bed.plan.gateway and p.flags == "S"}
    return not called <= {p.dport for p in bed.packets if p.dst == bed.plan.gateway and "A" in p.flags and p.at == "server"}


@dataclass(slots=True)
class Containers:
    """The containers and networks of one testbed, which serve many plays."""

    client: DockerClient
    slot: int = -1
    networks: list[str] = field(default_factory=list)
    channels: dict[str, Attached] = field(default_factory=dict)
    interfaces: dict[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    drivers: dict[str, Any] = field(default_factory=dict)
    kernel: str = ""
    lost: bool = False
    """Whether the engine was away when they should have been removed."""

    @property
    def whole(self) -> bool:
        """Whether all agents can still be spoken to."""
        return not any(channel.broken for channel in self.channels.values())

    def all(self, verb: str, **request: Any) -> list[str]:
        """Ask all agents for the same thing at once; returns what they complain of."""
        asked = [(channel, channel.begin(verb, **request)) for channel in self.channels.values()]
        try:
            answers = [channel.finish(number, verb) for channel, number in asked]
        except BaseException:
            for channel, _ in asked:
                channel.broken = True
            raise
        return [f"{host}: {what}" for answer in answers for host, left in answer.items() for what in left]

    def release(self) -> None:
        """Let them end."""
        for channel in self.channels.values():
            channel.release()

    def close(self) -> bool:
        """Remove them; whether the engine could be asked to."""
        import requests
        from docker.errors import APIError

        self.release()
        try:
            for channel in self.channels.values():
                channel.close()
            for network in self.networks:
                with suppress(APIError):
                    self.client.api.remove_network(network)
        except requests.exceptions.RequestException:
            self.lost = True
            return False
        return True


class Docker:
    """Containers on a Docker engine, near or far."""

    name: ClassVar[str] = "docker"
    virtual: ClassVar[bool] = False
    foreign: ClassVar[bool] = True
    parallel: ClassVar[bool] = True

    def __init__(self) -> None:
        self._client: DockerClient | None = None
        self._all: list[Containers] = []
        self._free: list[tuple[object, Containers]] = []
        """Testbeds that wait for another play, the one used last at the end."""
        self._turns = threading.BoundedSemaphore(AT_A_TIME)
        self._lock = threading.RLock()
        """For the two lists, and for finding the engine."""
        self._unsure = 0
        """Testbeds that were begun and of which it is not known what all the engine has made: interrupted, or still being made."""
        self._reaper: subprocess.Popen[bytes] | None = None
        self._absent: set[str] = set()
        self._settable = True

    def check(self) -> None:
        """Raise BackendUnavailable where there is no engine, no right to use it or no image, with what to do about it."""
        self._engine()

    @contextmanager
    def testbed(self, plan: Plan) -> Iterator[RemoteTestbed]:
        """Containers that are as new, for one play; afterwards they are put back into that state, or away."""
        with self._turns:
            made = self._take(plan)
            bed = self._bed(made, plan)
            try:
                yield bed
            finally:
                try:
                    clean = made.whole and not made.all("reset")
                except AgentError:
                    clean = False
                if clean and not _dialling(bed):
                    with self._lock:
                        self._free.append((self._key(plan), made))
                else:
                    self._remove(made)

    @staticmethod
    def _bed(made: Containers, plan: Plan) -> RemoteTestbed:
        plan = replace(plan, number=2 * made.slot)
        hosts = {}
        for name, channel in made.channels.items():
            hop = "router" if plan.router and name != "router" else {"client": "server"}.get(name, "client")
            mac = made.interfaces[hop]["eth1" if hop == "router" and name == "server" else "eth0"]["mac"]
            hosts[name] = RemoteHost(name, channel, plan.addresses(name), made.interfaces[name], next_hop=mac)
        bed = RemoteTestbed(plan, list(made.channels.values()), hosts, f"linux-{made.kernel}")
        bed.drivers = made.drivers
        return bed

    def _remove(self, made: Containers) -> None:
        """Remove it; where the engine cannot be spoken to, it stays among those that are removed later."""
        if made.close():
            with self._lock, suppress(ValueError):
                self._all.remove(made)

    def _key(self, plan: Plan) -> object:
        """What testbeds have to have in common to stand for each other."""
        return plan.router, plan.published, None if self._settable else tuple(sorted((k, str(v)) for k, v in plan.settings.items()))

    def _take(self, plan: Plan) -> Containers:
        """Containers that were made before and are clean, or new ones."""
        client = self._engine()
        settings = {**PINNED, **plan.settings}
        while (made := self._waiting(self._key(plan))) is not None:
            try:
                if made.whole and not made.all("begin", settings=settings):
                    return made
            except AgentError:
                pass  # the engine was restarted, or somebody removed them: others, or new ones
            self._remove(made)
        made = self._make(client, plan)
        try:
            if left := made.all("begin", settings=settings):
                raise AgentError(f"new containers are not as they were made: {'; '.join(left)}")
        except AgentError:
            self._remove(made)
            raise
        return made

    def _waiting(self, key: object) -> Containers | None:
        with self._lock:
            for number, (other, made) in reversed(list(enumerate(self._free))):
                if other == key:
                    del self._free[number]
                    return made
        return None

    def _room(self) -> None:
        """Let go what the engine was away for, and of many that wait the one that has waited longest."""
        with self._lock:
            gone = [made for made in self._all if made.lost]
            if len(self._all) >= MOST and self._free:
                gone.append(self._free.pop(0)[1])
        for made in gone:
            self._remove(made)

    # ---- making ----------------------------------------------------------------------------------------------------

    def _make(self, client: DockerClient, plan: Plan) -> Containers:
        import requests
        from docker.errors import APIError

        self._room()
        made = Containers(client)
        with self._lock:
            self._all.append(made)
            self._unsure += 1
        try:
            self._networks(made, plan)
            wish = topology(replace(plan, number=2 * made.slot))
            with ThreadPoolExecutor(3) as pool:
                started = pool.map(lambda name: self._start(made, wish, name, plan.published), wish["hosts"])
                for name, channel in zip(wish["hosts"], started, strict=True):
                    made.channels[name] = channel
            for name, channel in made.channels.items():
                made.interfaces[name] = channel.ask("adopt", host=name, **_adoption(wish, name))
            found = made.channels["client"].ask("run", host="client", argv=["cat", DRIVERS])
            made.drivers = json.loads(found["stdout"]) if found["status"] == 0 else {}
            if plan.published:
                self._proxied(made, Plan(number=2 * made.slot).gateway)
            if plan.router:
                self._passable(made, Plan(router=True, number=2 * made.slot).addresses("server")[0])
        except BackendUnavailable:
            self._remove(made)
            self._sure()
            raise
        except APIError as e:
            self._remove(made)
            self._sure()
            raise BackendUnavailable(self.name, *_why_not(e)) from e
        except requests.exceptions.RequestException as e:
            self._remove(made)
            raise AgentError(f"the engine gives no answer: {e}") from e
        except BaseException:
            self._remove(made)
            raise
        self._sure()
        return made

    def _sure(self) -> None:
        with self._lock:
            self._unsure -= 1

    def _passable(self, made: Containers, far: str) -> None:
        """Raise BackendUnavailable where the engine's own packet filter sees what its bridges pass on, and throws away what is routed.

        On an `internal` network it lets pass only what is from and to that network's own addresses.
        """
        ask = {name: channel.ask for name, channel in made.channels.items()}
        for channel in made.channels.values():
            channel.ask("begin", settings={})
        send = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))"
        end = time.monotonic() + 2
        ask["client"]("run", host="client", argv=["python3", "-c", send, far])
        while "UdpNoPorts" not in ask["server"]("counters", host="server"):
            if time.monotonic() > end:
                setting = "net.bridge.bridge-nf-call-iptables"
                reason = f"there is no way through a router here: the engine's packet filter sees what its bridges pass on ({setting}=1)"
                remedy = f"sysctl {setting}=0 {setting.replace('ipt', 'ip6t')}=0 where the engine runs, or {WAYS_ON}"
                raise BackendUnavailable(self.name, reason, remedy)
            ask["server"]("wait", 1.0, seconds=0.01)
        made.all("reset")

    def _proxied(self, made: Containers, gateway: str) -> None:
        """Raise BackendUnavailable where it is not the engine's proxy that answers at a published port: nobody listens behind it yet."""
        for channel in made.channels.values():
            channel.ask("begin", settings={})
        said = made.channels["client"].ask("run", host="client", argv=["python3", "-c", KNOCK, gateway, str(PUBLISHED)])
        if said["status"] != 0:
            reason = f"the engine has no proxy at published ports ({said['stderr'].strip().rpartition(chr(10))[2]})"
            raise BackendUnavailable(self.name, reason, "an engine with userland-proxy, whose machine lets its containers in")
        made.all("reset")

    def _networks(self, made: Containers, plan: Plan) -> None:
        """Make the networks of a testbed in the first slot whose addresses nobody has on this engine."""
        from docker.errors import APIError
        from docker.types import IPAMConfig

        client = made.client
        for slot in range(SLOTS):
            at = 8 * slot
            pairs = [(f"198.51.100.{at}/29", f"2001:db8::{at:x}/125")]
            if plan.router:
                pairs = [(f"198.51.100.{at}/29", f"2001:db8:1::{at:x}/125"), (f"203.0.113.{at}/29", f"2001:db8:2::{at:x}/125")]
            try:
                for number, (ipv4, ipv6) in enumerate(pairs):
                    made.networks.append(
                        client.api.create_network(
                            f"faultlab-{identity.own()}-{slot}-{number}", driver="bridge", internal=not plan.published, enable_ipv6=True,
                            options={"com.docker.network.bridge.enable_ip_masquerade": "false"},
                            check_duplicate=False, labels={LABEL: session()},
                            ipam=IPAMConfig(pool_configs=[_pool(ipv4, 6), _pool(ipv6, 6)]),
                        )["Id"]
                    )  # fmt: skip
            except APIError as e:
                for network in made.networks:
                    client.api.remove_network(network)
                made.networks.clear()
                if "overlap" in str(e).lower() or "in use" in str(e).lower():
                    continue
                raise
            made.slot = slot
            return
        raise BackendUnavailable(self.name, "all documentation addresses are taken on this engine", "faultlab clean")

    def _start(self, made: Containers, wish: Mapping[str, Any], name: str, published: bool) -> Attached:
        """Create and start a container, attached before it says anything; a setting its kernel lacks is left out.

        A port is published at the engine's end of the lab's own network only: nothing but the containers there reaches it.
        """
        from docker.errors import APIError

        api = made.client.api
        plan = Plan(router="router" in wish["hosts"], number=2 * made.slot)
        network = made.networks[1 if name == "server" and plan.router else 0]
        ipv4, ipv6 = plan.addresses(name)
        ports = [PUBLISHED] if published and name == "server" else []
        settings = {**wish["hosts"][name]["sysctls"], "net.ipv6.conf.all.disable_ipv6": 0}
        while True:
            sysctls = {k: str(v) for k, v in settings.items() if k not in self._absent}
            at: Any = {network: api.create_endpoint_config(ipv4_address=ipv4, ipv6_address=ipv6)}  # its type stub is wrong
            container = api.create_container(
                image(), ["python3", "-c", FIRST, str(len(agent()))], hostname=name, stdin_open=True, labels={LABEL: session()},
                ports=ports,
                host_config=api.create_host_config(
                    auto_remove=True, network_mode=network, cap_drop=["ALL"], cap_add=["NET_ADMIN", "NET_RAW"],
                    security_opt=["no-new-privileges"], sysctls=sysctls, pids_limit=512,
                    port_bindings=dict.fromkeys(ports, (plan.gateway, PUBLISHED)),
                    binds=["/proc/sys/net:/faultlab/net"] if self._settable else [],
                ),
                networking_config=api.create_networking_config(at),
            )["Id"]  # fmt: skip
            channel = Attached(made.client, container, f"docker agent at the {name}")
            try:
                hello = channel.start()
                made.kernel = str(hello["release"])
                if name == "router":
                    f4, f6 = plan.far_side
                    api.connect_container_to_network(container, made.networks[1], ipv4_address=f4, ipv6_address=f6)
                return channel
            except APIError as e:
                channel.close()
                with suppress(APIError):
                    api.remove_container(container, force=True)
                if self._settable and any(word in str(e) for word in ("mount", "bind", "/faultlab/net")):
                    self._settable = False
                    continue
                missing = {k for k in sysctls if f"/proc/sys/{k.replace('.', '/')}:" in str(e) and "no such file" in str(e)}
                if not missing:
                    raise
                self._absent |= missing
            except BaseException:
                channel.close()
                raise

    # ---- the engine ------------------------------------------------------------------------------------------------

    def _engine(self) -> DockerClient:
        """The engine, found usable once a session; with it begins the reaper's watch."""
        with self._lock:
            if self._client is None:
                client = connect()
                try:
                    _usable(client)
                except BackendUnavailable:
                    client.close()
                    raise
                self._reaper = subprocess.Popen(
                    [sys.executable, "-c", REAPER, session()], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    start_new_session=True, env={**os.environ, identity.VARIABLE: "reaper"},
                )  # fmt: skip
                self._client = client
                atexit.register(self.close)
            return self._client

    def close(self) -> None:
        """Remove everything of this session; a play that is under way breaks off."""
        self._free.clear()
        for made in self._all:
            made.release()
        for made in tuple(self._all):
            self._remove(made)
        if self._reaper is not None:
            assert self._reaper.stdin is not None
            with suppress(OSError):
                if not self._all and not self._unsure:  # else it has something to do
                    self._reaper.stdin.write(b"done")
                self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None
        self._all.clear()
        if self._client is not None:
            self._client.close()
            self._client = None
        atexit.unregister(self.close)


def image() -> str:
    """The image of all hosts."""
    return os.environ.get(IMAGE, "faultlab")


def session() -> str:
    """What the containers and networks of this session are labelled with."""
    return f"{identity.own()}@{platform.node()}"


def _pool(network: str, gateway: int) -> IPAMPool:
    """Addresses of a network; the engine gives one of them to its own end of an IPv4 network, the last before the broadcast address."""
    from docker.types import IPAMPool

    base, _, _ = network.partition("/")
    head, dot, last = base.rpartition(":" if ":" in base else ".")
    number = f"{int(last, 16) + gateway:x}" if ":" in base else str(int(last) + gateway)
    return IPAMPool(subnet=network, gateway=f"{head}{dot}{number}")


def _adoption(wish: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What an agent needs to know to be a host of a topology."""
    ends: dict[str, Any] = {}
    for link in wish["links"]:
        if name in link["ends"]:
            end = link["ends"][name]
            other = next(e for host, e in link["ends"].items() if host != name)
            known = {address.partition("/")[0]: other["mac"] for address in other["addresses"] if ":" in address}
            ends[end["name"]] = {"mac": end["mac"], "addresses": end["addresses"], "neighbours": known}
    host = wish["hosts"][name]
    return {"capture": host["capture"], "ends": ends, "routes": wish["routes"].get(name, [])}


# ---- finding an engine, and saying why there is none ---------------------------------------------------------------


def connect() -> DockerClient:
    """The engine that DOCKER_HOST, the docker context or this machine's usual sockets name. Raises BackendUnavailable."""
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as e:
        raise BackendUnavailable("docker", f"the Python package docker is missing ({e})", "pip install docker") from e
    where, tls = _address()
    path = (where or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock").partition("unix://")[2]
    try:
        if path and sys.platform != "win32":
            with socket.socket(socket.AF_UNIX) as s:  # asked here because the SDK would leave a failed one open
                s.connect(path)
        if where is None:
            return docker.from_env(version="auto", timeout=60)
        return docker.DockerClient(base_url=where, version="auto", timeout=60, tls=tls or False)
    except (DockerException, OSError, ValueError) as e:
        raise BackendUnavailable("docker", *_no_engine(e, where or os.environ.get("DOCKER_HOST") or "the usual socket")) from e


def _address() -> tuple[str | None, Any]:
    """Where the engine is; None: where the environment says."""
    if os.environ.get("DOCKER_HOST"):
        return None, None
    from docker.context import ContextAPI

    with suppress(Exception):  # an unreadable configuration is no context
        name = os.environ.get("DOCKER_CONTEXT")
        context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
        if context.name != "default":
            return str(context.Host), context.TLSConfig
    runtime = os.environ.get("XDG_RUNTIME_DIR", "/nonexistent")
    home = os.path.expanduser("~")
    for path in ("/var/run/docker.sock", f"{runtime}/docker.sock", f"{home}/.docker/run/docker.sock", f"{runtime}/podman/podman.sock"):
        if os.path.exists(path):
            return f"unix://{path}", None
    return None, None


def _no_engine(e: BaseException, where: str) -> tuple[str, str]:
    """Reason and remedy where no engine answers."""
    seen: list[BaseException] = []
    while e not in seen:
        seen.append(e)
        inner = e.__cause__ or e.__context__ or next((a for a in e.args if isinstance(a, BaseException)), None)
        e = inner or e
    if any(isinstance(x, PermissionError) for x in seen):
        return f"{where} may not be opened by this user", f"sudo usermod -aG docker $USER and log in again, or {WAYS_ON}"
    if any(isinstance(x, (FileNotFoundError, ConnectionRefusedError)) for x in seen):
        return f"no engine at {where}", f"start Docker, or name it in DOCKER_HOST, or {WAYS_ON}"
    return f"the engine at {where} cannot be spoken to ({seen[0]})", f"see whether `docker version` works, or {WAYS_ON}"


def _usable(client: DockerClient) -> None:
    """Raise BackendUnavailable where the engine is too old or has no image that it can run."""
    import requests
    from docker.errors import APIError, ImageNotFound

    try:
        version = client.version()
        if tuple(int(n) for n in version["ApiVersion"].split(".")) < OLDEST_API:
            wanted = ".".join(map(str, OLDEST_API))
            raise BackendUnavailable("docker", f"the engine speaks API {version['ApiVersion']}, {wanted} is needed", "update the engine")
        if version.get("Os", "linux") != "linux":
            raise BackendUnavailable("docker", f"the engine runs {version['Os']} containers", "switch it to Linux containers")
        there = client.images.get(image()).attrs
    except ImageNotFound as e:
        raise BackendUnavailable("docker", f"the engine has no image {image()}", BUILD) from e
    except (APIError, requests.exceptions.RequestException) as e:
        raise BackendUnavailable("docker", f"the engine gives no answer ({e})", WAYS_ON) from e
    if "Arch" in version and there.get("Architecture") not in (version["Arch"], None, ""):
        reason = f"the image {image()} is for {there['Architecture']}, the engine runs on {version['Arch']}"
        raise BackendUnavailable("docker", reason, BUILD)


def _why_not(e: Exception) -> tuple[str, str]:
    """Reason and remedy where the engine refuses a container or a network."""
    words = str(getattr(e, "explanation", None) or e)
    if "no space left" in words:
        return f"the engine's disk is full ({words})", "docker system prune"
    if "exec format error" in words:
        return f"the image {image()} is for another architecture", BUILD
    if "apability" in words or "operation not permitted" in words.lower():
        return f"the engine refuses what a host needs ({words})", f"allow NET_ADMIN and NET_RAW, or {WAYS_ON}"
    return f"the engine refuses ({words})", WAYS_ON


# ---- removing by label ---------------------------------------------------------------------------------------------


def reap(owner: str) -> None:
    """Remove what a session left, when it is over without having done so; what the engine was just making, as soon as it comes."""
    client, news = connect(), queue.SimpleQueue[object]()
    watched = {"type": ["container", "network"], "event": ["create", "start", "die", "destroy", "disconnect"]}

    def watch() -> None:
        with suppress(Exception):  # the engine may go away, and with it what it ran
            for event in connect().api.events(filters=watched):
                news.put(event)

    threading.Thread(target=watch, daemon=True).start()
    end = time.monotonic() + QUIET
    while True:
        if remove(client, owner):
            end = time.monotonic() + QUIET
        try:
            news.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            if not remove(client, owner):
                return
            end = time.monotonic() + QUIET


def clean() -> list[str]:
    """Remove what sessions of this machine left that are over; returns what it was."""
    with ExitStack() as stack, suppress(BackendUnavailable):
        client = connect()
        stack.callback(client.close)
        owners = {labels[LABEL] for _, labels in _labelled(client)}
        gone = [o for o in owners if o.endswith(f"@{platform.node()}") and not _alive(o.partition("@")[0])]
        return [what for owner in gone for what in remove(client, owner)]
    return []


def _alive(harness: str) -> bool:
    if os.path.isdir("/proc/self"):
        return identity.alive(harness)
    try:
        os.kill(int(harness.partition(".")[0]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _labelled(client: DockerClient, owner: str | None = None) -> list[tuple[tuple[str, str], dict[str, str]]]:
    """Containers, then networks, with our label: kind and id, labels."""
    wanted = {"label": LABEL if owner is None else f"{LABEL}={owner}"}
    containers = [(("container", c["Id"]), c["Labels"]) for c in client.api.containers(all=True, filters=wanted)]
    return containers + [(("network", n["Id"]), n["Labels"]) for n in client.api.networks(filters=wanted)]


def remove(client: DockerClient, owner: str) -> list[str]:
    """Remove the containers and networks of a session; returns which there were."""
    from docker.errors import APIError

    removed = []
    for (kind, number), _ in _labelled(client, owner):
        with suppress(APIError):  # it went by itself
            if kind == "container":
                client.api.remove_container(number, force=True)
            else:
                client.api.remove_network(number)
        removed.append(f"{kind} {number[:12]}")
    return removed
