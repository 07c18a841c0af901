"""What the hub needs of its machine: room on the disk, and drop folders that can be read and written.

Belongs here: looking, and the sentences that an operator reads. Not here: what follows from them: intake
(drop_folder.py) takes nothing meanwhile, the supervisor (deployment.py) logs and says them, `hub status` and
`hub doctor` show them.
"""

import os
from pathlib import Path

from hub_pipelines.settings import Settings

_MB = 1_000_000


class Shares:
    """Tells a campus folder whose share is gone from one that is merely empty.

    The hub makes feed folders in every campus folder, so one that holds nothing at all and is no mount point
    is most likely a mount point without its share. One that holds feed folders of its own is known by memory:
    it was a mount point before, in this process.
    """

    def __init__(self) -> None:
        self._seen: set[Path] = set()

    def is_gone(self, folder: Path, *, is_empty: bool) -> bool:
        if folder.is_mount():
            self._seen.add(folder)
            return False
        return is_empty or folder in self._seen


def health(settings: Settings) -> list[str]:
    """One sentence for each thing that keeps the hub from taking files now; empty when all is well."""
    return list(conditions(settings, Shares()).values())


def conditions(settings: Settings, shares: Shares) -> dict[str, str]:
    """The same by what it is about (a path), which stays equal while the sentence's figures change."""
    found = {str(settings.home): no_room(settings.home, settings.limits.keep_free_mb)}
    for campus in settings.campuses:
        top = settings.drop / campus
        found[str(top)] = campus_trouble(top, shares)
        if found[str(top)] is None:
            found |= {str(top / feed): feed_trouble(top / feed, settings.drop) for feed in settings.feeds}
    return {about: sentence for about, sentence in found.items() if sentence is not None}


def no_room(home: Path, keep_free_mb: int, needed_bytes: int = 0) -> str | None:
    """Why nothing of this size may be taken now; None when there is room."""
    try:
        disk = os.statvfs(home)
    except OSError as error:
        return f"the disk of {home} can't be asked for its free space ({error.strerror}); nothing is taken"
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes >= keep_free_mb * _MB + needed_bytes:
        return None
    what = f"a file of {needed_bytes / _MB:.0f} MB needs more room" if needed_bytes >= _MB else "nothing is taken"
    return (
        f"the disk of {home} has {free_bytes / _MB:.0f} MB free and {keep_free_mb} MB are to stay free "
        f"([limits] keep_free_mb); {what}: delete or move something there. "
        "Files wait in the drop folders, nothing is lost, and the hub goes on by itself when there is room"
    )


_WAITS = "files dropped there wait until it is back"


def campus_trouble(top: Path, shares: Shares) -> str | None:
    """Why nothing below drop/<campus> can be looked at now; None when it can."""
    try:
        is_empty = _is_empty(top)
    except OSError as error:
        return _unreadable(f"drop/{top.name}", top, error)
    if shares.is_gone(top, is_empty=is_empty):
        return (
            f"drop/{top.name} is there, but its share is not mounted ({top}): mount it, or make its feed folders "
            f"if it is to be an ordinary folder; {_WAITS}"
        )
    return None


def feed_trouble(folder: Path, drop: Path) -> str | None:
    """Why no file can be taken from this folder below `drop` now; None when it can, and when intake is about to make
    it."""
    shown = f"drop/{folder.relative_to(drop).as_posix()}"
    try:
        _is_empty(folder)
    except FileNotFoundError:
        if _is_writable(folder.parent):
            return None
        return f"{shown} is missing, and the hub can't make it ({folder}): make it, and let the hub's user write there"
    except OSError as error:
        return _unreadable(shown, folder, error)
    if not _is_writable(folder):
        return (
            f"{shown} can be read but not written ({folder}), and the hub takes a file by moving it: "
            f"let the hub's user write there; {_WAITS}"
        )
    return None


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None  # a dead share often opens and then fails to list


def _unreadable(shown: str, folder: Path, error: OSError) -> str:
    return f"{shown} can't be read: {error.strerror} ({folder}); {_WAITS}"
