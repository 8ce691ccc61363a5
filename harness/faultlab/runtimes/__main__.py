"""Build drivers and say where they are: `python -m faultlab.runtimes --into FILE [NAME…]`, for images of the lab's hosts."""

import json
import sys
from pathlib import Path

from faultlab.errors import RuntimeUnavailable
from faultlab.runtimes import all_runtimes


def main() -> None:
    """Write one entry a runtime: how its driver is started, or why there is none."""
    file, names = Path(sys.argv[2]), sys.argv[3:]
    found: dict[str, object] = {}
    for name, runtime in all_runtimes().items():
        if names and name not in names:
            continue
        try:
            driver = runtime.prepare()
        except RuntimeUnavailable as e:
            found[name] = {"reason": e.reason}
            sys.stderr.write(f"no {name} driver: {e.reason}\n")
            if names:  # it was asked for
                sys.exit(1)
            continue
        made = {"argv": driver.argv, "env": dict(driver.env), "version": driver.version, "fingerprint": runtime.fingerprint}
        found[name] = made
    file.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
