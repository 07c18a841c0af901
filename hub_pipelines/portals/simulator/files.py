"""The recorded answers that come with the hub."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "recorded"


def recorded_file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
