"""When a sensor launches a run for the same again: at once for something new, after growing pauses for what failed."""

from collections.abc import Iterable
from typing import Any

from hub_pipelines.common.canonical import sha256_hex

_LONGEST_PAUSE_S = 3_600


def launch_of(names: Iterable[str], last: dict[str, Any], now: float, interval_s: float) -> dict[str, Any] | None:
    """The cursor of the next launch; None while a run for the very same (`names`) failed a short while ago.
    One that failed in the future did so by a clock that was wrong."""
    what = sha256_hex("\n".join(sorted(names)).encode())
    tries = int(last["tries"]) + 1 if last.get("what") == what else 1
    if tries > 1 and 0 <= now - float(last["at"]) < min(_LONGEST_PAUSE_S, interval_s * 2 ** min(tries, 16)):
        return None
    return {"what": what, "tries": tries, "at": now}
