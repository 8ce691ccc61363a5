"""Kernels in the cache: found by their version, and what is missing for a build is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from faultlab import kernels
from faultlab.kernels import KernelError


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    return tmp_path


def put(version: str, built: float = 1.0) -> None:
    folder = kernels.folder() / f"{version}-abcdef01"
    folder.mkdir(parents=True)
    (folder / "linux").touch(mode=0o755)
    about = {"version": version, "source": "x", "digest": "d", "compiler": "c", "built": built, "size": 1}
    (folder / "kernel.json").write_text(json.dumps(about), encoding="utf-8")


def test_the_newest_is_chosen() -> None:
    for version in ("6.1.192", "6.12.117", "6.9.1"):
        put(version)
    assert [k.version for k in kernels.built()] == ["6.12.117", "6.9.1", "6.1.192"]
    chosen = kernels.chosen()
    assert chosen is not None and chosen.version == "6.12.117"


@pytest.mark.parametrize(("wanted", "version"), [("6.1", "6.1.192"), ("6.12", "6.12.117"), ("6.1.192-abcdef01", "6.1.192"), ("7", None)])
def test_by_version(wanted: str, version: str | None) -> None:
    put("6.1.192")
    put("6.12.117")
    chosen = kernels.chosen(wanted)
    assert (chosen.version if chosen else None) == version


def test_remove() -> None:
    put("6.1.192")
    put("6.12.117")
    assert [k.version for k in kernels.remove("6.1")] == ["6.1.192"]
    assert [k.version for k in kernels.built()] == ["6.12.117"]


def test_missing_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KernelError, match=r"apt-get install .*bison.*flex"):
        kernels.build()


def test_no_source_tree(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="arch/um/Makefile"):
        kernels.build(str(tmp_path))


def test_a_tarball_of_something_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is said in one sentence, whatever it lacks."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README").write_text("no kernel")
    shutil.make_archive(str(tmp_path / "other"), "tar", tmp_path, "other")
    monkeypatch.setattr(kernels, "_tools", lambda: None)  # it does not come so far that it needs one of them
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(KernelError, match=r"other\.tar is not a Linux source tree"):
        kernels.build(str(tmp_path / "other.tar"))
    assert not list((tmp_path / "faultlab" / "kernels").glob(".build*"))


def test_every_option_is_there_once() -> None:
    lines = [line for line in kernels.OPTIONS.read_text(encoding="utf-8").splitlines() if line.startswith("CONFIG_")]
    assert len(lines) == len(set(lines)) > 100
