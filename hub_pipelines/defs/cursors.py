"""What a sensor keeps between two ticks, as JSON in its cursor."""

import json
from typing import Any


def kept_in(cursor: str | None) -> dict[str, Any]:
    """Nothing at the first tick, and nothing for what no sensor has written: Dagster's page lets a person write a
    cursor, and a sensor that fails over it would fail at every tick."""
    try:
        kept = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}
