from __future__ import annotations

from collections.abc import Iterator

import fakes
import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def loopback() -> Iterator[fakes.Loopback]:
    backend = fakes.Loopback()
    yield backend
    backend.close()
