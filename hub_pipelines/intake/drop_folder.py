"""Drop folders: which files are complete, and how one is taken without losing a byte of it.

A file is claimed by renaming it into a hidden folder beside it (one daemon wins, a new file of the
same name is simply the next one), then read, archived and registered, and only then deleted. After a
crash the claim is found again under the same arrival id. Folders, links and other things without
bytes of their own are refused and stay where they are, but for the two folders in a feed's folder that say what
a file is sent for (intake/model.py, Purpose). Nothing outside the folder is ever opened.
What the machine denies (a share that is gone, a full disk) is a trouble of that folder or file: the
others go on, the next look tries again, and nothing is taken that could not be kept.
"""

import fcntl
import logging
import os
import signal
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, TypeVar

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.errors import Transient
from hub_pipelines.common.scope import RESERVED, RESERVED_CAMPUS, Scope
from hub_pipelines.health import Shares, campus_trouble, feed_trouble
from hub_pipelines.intake.model import FOLDER_OF, Arrival, Payload, Purpose
from hub_pipelines.logs import Standing, pairs

CLAIMED = ".claimed"
_T = TypeVar("_T")
_P = TypeVar("_P", "_Folder", str)
_log = logging.getLogger(__name__)
_TEMPORARY_ENDINGS = ("~", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".filepart")
_NOT_FOR_US = {"thumbs.db", "desktop.ini"}
_EMPTY_CLAIM_S = 60
_F_SETSIG = 10  # Linux; not in Python's fcntl
_CAP_LEASE = 28  # capabilities(7)
QUIET_TIMES = 10
"""So many `stable_s` a file must have been quiet of which nobody tells whether it is open. Programs write in bursts,
and a pause of ten seconds is rare where pauses of one second are common."""


class Receiver(Protocol):
    def receive(self, payload: Payload) -> Arrival: ...

    def preview(self, payload: Payload) -> Arrival: ...

    def refuse(self, arrival_id: str, scope: Scope, source_name: str, reason: str, fix: str) -> Arrival: ...

    def was_refused(self, arrival_id: str) -> bool: ...


class StoredObject(Protocol):
    @property
    def digest(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


class ObjectArchive(Protocol):
    def put(self, source: IO[bytes]) -> StoredObject: ...


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path
    scope: Scope
    purpose: Purpose = Purpose.UPDATE

    @property
    def rank(self) -> int:
        """Whoever asks what a file would do gets the answer before the file's like is taken in."""
        return 0 if self.purpose is Purpose.PREVIEW else 1


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A file as it looked: equal sightings a while apart mean that nobody is writing it."""

    folder: _Folder
    path: Path
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int
    """By the file system; unlike the time of modification no sender sets it."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at the folders did. `left` counts complete files that the budget left for the next look."""

    arrivals: tuple[Arrival, ...]
    left: int
    unfinished: int
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropFolder:
    """The watched folders `<root>/<campus>/<feed>/` of one hub, and `preview` and `complete-count` in them.

    `purposes` are those of each feed that have a folder of their own. `no_room` says why a file of so many bytes
    can't be kept now, None when it can.
    """

    root: Path
    campuses: frozenset[str]
    feeds: tuple[str, ...]
    archive: ObjectArchive
    receiver: Receiver
    stable_s: float
    no_room: Callable[[int], str | None]
    purposes: Mapping[str, tuple[Purpose, ...]] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep
    shares: Shares = field(default_factory=Shares)
    standing: Standing = field(default_factory=lambda: Standing(_log, logging.WARNING))

    def take(self, campus: str, *, budget_s: float) -> Scan:
        """Take what is complete in a campus's folders (`hub`: in folders that name no campus or feed).

        Works through leftovers of a crash first, then new files, the oldest first, until the budget is
        spent. What can't be read or kept now is reported in `troubles` and tried at the next look.
        """
        full = self.no_room(0)
        self.standing.are_now({"disk": full} if full else {}, "disk")
        if full:
            return Scan((), 0, 0, (full,))
        troubles: dict[str, str] = {}
        scan = self._take(campus, budget_s, troubles)
        self.standing.are_now({about: f"{campus}: {text}" for about, text in troubles.items()}, campus)
        return scan

    def _take(self, campus: str, budget_s: float, troubles: dict[str, str]) -> Scan:
        folders = self._workable(campus, troubles)
        arrivals = self._each(folders, self._refuse_strange_things, troubles)
        leftovers = self._each(folders, _claims, troubles)
        first = {one.path: one for one in self._each(folders, _files, troubles)}
        if not leftovers and not first:
            return Scan(tuple(arrivals), 0, 0, tuple(troubles.values()))
        self.sleep(self.stable_s)
        deadline = time.monotonic() + budget_s
        again = {one.path: one for one in self._each(folders, _files, troubles)}
        complete = sorted(
            (one for path, one in again.items() if first.get(path) == one and self._is_complete(one)),
            key=lambda one: (
                one.folder.rank,
                self._rank(one.folder.scope.feed),
                one.modified_ns,
                str(one.path),
            ),
        )
        left = 0
        todo: list[_Claim | _Sighting] = [*leftovers, *complete]
        for one in todo:
            if arrivals and time.monotonic() > deadline:
                left += 1
            elif arrival := self._try(one, troubles):
                arrivals.append(arrival)
        return Scan(tuple(arrivals), left, len(again) - len(complete), tuple(troubles.values()))

    def _is_complete(self, one: "_Sighting") -> bool:
        """Nobody has it open for writing; where that is not told, it has been quiet for long enough. One that changed
        in the future did so by a clock that is wrong, and waits for no other."""
        written = _being_written(one.path)
        if written is not None:
            return not written
        return not 0 <= time.time() - one.changed_ns / 1e9 < self.stable_s * QUIET_TIMES

    def _try(self, one: "_Claim | _Sighting", troubles: dict[str, str]) -> Arrival | None:
        """Take one file; None when it is gone or still written, or with a trouble when it can't be taken now."""
        name = display_name(one.path.name)
        try:
            # asked before the claim, so that a file that waits for room waits where its sender put it
            if full := self.no_room(_size(one)):
                troubles[str(one.path)] = f"{name}: {full}"
                return None
            claim = one if isinstance(one, _Claim) else _claim(one)
            return self._register(claim) if claim else None
        except (OSError, Transient) as error:
            troubles[str(one.path)] = f"{name}: {error}"
            return None

    def waiting(self, campus: str) -> int:
        """Files in a campus's folders that are not taken yet, complete or not; what can't be read counts nothing."""
        folders = self._each([campus], self._folders, {})
        return len(self._each(folders, _files, {})) + len(self._each(folders, _claims, {}))

    def claimed(self, campus: str) -> int:
        """Files of a campus that were claimed and are not registered yet: the next look takes them."""
        return len(self._each(self._each([campus], self._folders, {}), _claims, {}))

    def _workable(self, campus: str, troubles: dict[str, str]) -> list[_Folder]:
        """The campus's folders without those that the machine denies; a missing feed folder is made again."""
        top = self.root / campus
        if campus != RESERVED_CAMPUS and (trouble := campus_trouble(top, self.shares)):
            troubles[str(top)] = trouble
            return []
        found = self._each([campus], self._folders, troubles)
        if campus == RESERVED_CAMPUS:
            return found
        return [folder for folder in found if self._is_workable(folder, troubles)]

    def _is_workable(self, folder: _Folder, troubles: dict[str, str]) -> bool:
        inner = folder.purpose is not Purpose.UPDATE
        if inner and (str(folder.path.parent) in troubles or folder.path.is_file()):  # a file the feed's folder takes
            return False
        _make_again(folder.path, troubles)
        if trouble := feed_trouble(folder.path, self.root):
            troubles[str(folder.path)] = trouble
        return str(folder.path) not in troubles

    def _each(self, places: list[_P], look: Callable[[_P], Iterable[_T]], troubles: dict[str, str]) -> list[_T]:
        """What a look finds in each of the places; one that fails is a trouble of that place only."""
        found: list[_T] = []
        for place in places:
            try:
                found += look(place)
            except (OSError, Transient) as error:
                path = place.path if isinstance(place, _Folder) else self.root
                troubles[str(path)] = f"{path.relative_to(self.root.parent)} can't be worked in now: {error}"
        return found

    def scopes(self) -> list[str]:
        return [*sorted(self.campuses), RESERVED_CAMPUS]

    def _rank(self, feed: str) -> int:
        return self.feeds.index(feed) if feed in self.feeds else len(self.feeds)

    def _folders(self, campus: str) -> Iterator[_Folder]:
        if campus != RESERVED_CAMPUS:
            for feed in self.feeds:
                folder = self.root / campus / feed
                yield _Folder(folder, Scope(campus, feed))
                for purpose in self.purposes.get(feed, ()):
                    own = folder / FOLDER_OF[purpose]
                    if not own.is_symlink():  # the feed's folder refuses it
                        yield _Folder(own, Scope(campus, feed), purpose)
            return
        yield _Folder(self.root, RESERVED)
        for top in _subfolders(self.root):
            known = self.feeds if top.name in self.campuses else ()
            closed = not _can_list(top)
            if not (known and closed):  # of a campus's own folder its own sensor tells
                yield _Folder(top, RESERVED)
            if not closed:
                yield from (_Folder(sub, RESERVED) for sub in _subfolders(top) if sub.name not in known)

    def _refuse_strange_things(self, folder: _Folder) -> Iterator[Arrival]:
        for entry in _entries(folder.path):
            kind = self._strange_kind(folder, entry)
            if kind is None:
                continue
            what, fix = kind
            inode = entry.inode()
            arrival_id = "refused-" + sha256_hex(f"{os.fsencode(entry.path)!r}:{inode}".encode())[:32]
            if not self.receiver.was_refused(arrival_id):
                yield self.receiver.refuse(arrival_id, folder.scope, display_name(entry.name), what, fix)

    def _strange_kind(self, folder: _Folder, entry: "os.DirEntry[str]") -> tuple[str, str] | None:
        if entry.is_file(follow_symlinks=False) or self._belongs_to_a_campus(Path(entry.path)):
            return None
        if entry.is_symlink():
            return (
                "It is a link to a file somewhere else, and the hub reads nothing outside its folder.",
                "Copy the file itself into the folder.",
            )
        if entry.is_dir(follow_symlinks=False):
            if self._is_watched(Path(entry.path)):
                return None
            return (
                "It is a folder. The hub takes files only; what is inside has not been taken.",
                f"Put the files themselves directly into {folder.path.name}, without a folder around them.",
            )
        return ("It is neither a file nor a folder.", "Put an ordinary file there.")

    def _belongs_to_a_campus(self, path: Path) -> bool:
        """The folder of a known campus and feed, which an operator may have mounted or linked there."""
        parts = path.relative_to(self.root).parts
        return parts[0] in self.campuses and (len(parts) == 1 or (len(parts) == 2 and parts[1] in self.feeds))

    def _is_watched(self, path: Path) -> bool:
        """A folder that is itself scanned, here or by another campus's sensor."""
        parts = path.relative_to(self.root).parts
        if len(parts) == 3 and parts[0] in self.campuses and parts[1] in self.feeds:
            return parts[2] in {FOLDER_OF[purpose] for purpose in self.purposes.get(parts[1], ())}
        return len(parts) <= 2

    def _register(self, claim: "_Claim") -> Arrival | None:
        """Archive and register a claimed file; None while somebody still writes it."""
        try:
            handle = os.open(claim.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as source:
            before = os.fstat(handle)
            stored = self.archive.put(source)
            after = os.fstat(handle)
            changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
            if changed or stored.size_bytes != after.st_size or _has_writer(handle):
                return None
        payload = Payload(
            arrival_id=claim.arrival_id,
            scope=claim.folder.scope,
            channel="drop_folder",
            source_system="drop_folder",
            source_name=display_name(claim.path.name),
            content_digest=stored.digest,
            size_bytes=stored.size_bytes,
            headers={
                "file_name": display_name(claim.path.name),
                "dropped_in": "/".join(claim.folder.path.relative_to(self.root).parts),
                "modified_at_ns": str(before.st_mtime_ns),
                "owner_uid": str(before.st_uid),
            },
            complete_count=claim.folder.purpose is Purpose.COUNT,
        )
        is_preview = claim.folder.purpose is Purpose.PREVIEW
        arrival = self.receiver.preview(payload) if is_preview else self.receiver.receive(payload)
        claim.path.unlink(missing_ok=True)
        with suppress(OSError):  # another daemon may have tidied up first
            claim.path.parent.rmdir()
        return arrival


@dataclass(frozen=True, slots=True)
class _Claim:
    folder: _Folder
    path: Path
    arrival_id: str


def _size(one: "_Claim | _Sighting") -> int:
    if isinstance(one, _Sighting):
        return one.size_bytes
    try:
        return one.path.lstat().st_size
    except FileNotFoundError:  # another daemon was faster
        return 0


def _can_list(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except OSError:
        return False
    return True


def _make_again(folder: Path, troubles: dict[str, str]) -> None:
    """A feed's folder that somebody removed, or that a new share does not hold yet."""
    try:
        folder.stat()
    except FileNotFoundError:
        try:
            folder.mkdir()
        except OSError as error:
            troubles[str(folder)] = f"{folder} is missing and can't be made ({error.strerror})"
        else:
            _log.info("made the missing drop folder again %s", pairs(folder=folder))
    except OSError:
        return  # feed_trouble says why


def _claim(seen: _Sighting) -> _Claim | None:
    """Take a file out of the folder by rename; None when it is gone."""
    arrival_id = uuid.uuid4().hex
    if (seen.folder.path / CLAIMED).is_symlink():
        raise OSError(f"{CLAIMED} beside it is a link; remove the link, so that nothing is taken out of its folder")
    hidden = seen.folder.path / CLAIMED / arrival_id
    hidden.mkdir(parents=True)
    target = hidden / seen.path.name
    try:
        seen.path.rename(target)
    except FileNotFoundError:
        hidden.rmdir()
        return None
    except OSError:
        hidden.rmdir()
        raise
    return _Claim(seen.folder, target, arrival_id)


def _claims(folder: _Folder) -> Iterator[_Claim]:
    """Claims that a crash (or another daemon, just now) left behind. Only real folders are looked into."""
    hidden = folder.path / CLAIMED
    if hidden.is_symlink():
        return
    for claim in _entries(hidden):
        if claim.is_dir(follow_symlinks=False):
            yield from _files_of_claim(folder, claim)


def _files_of_claim(folder: _Folder, claim: "os.DirEntry[str]") -> Iterator[_Claim]:
    """The one file of a claim under the claim's arrival id; if somebody put others there, each gets its own."""
    files = [Path(entry.path) for entry in _entries(Path(claim.path)) if entry.is_file(follow_symlinks=False)]
    for path in files:
        own = f"-{sha256_hex(os.fsencode(path.name))[:8]}" if len(files) > 1 else ""
        yield _Claim(folder, path, claim.name + own)
    if not files and time.time() - claim.stat(follow_symlinks=False).st_mtime > _EMPTY_CLAIM_S:
        with suppress(OSError):  # a crash left it empty, or somebody is just about to use it
            Path(claim.path).rmdir()


def _files(folder: _Folder) -> Iterator[_Sighting]:
    for entry in _entries(folder.path):
        if is_temporary(entry.name) or not entry.is_file(follow_symlinks=False):
            continue
        with suppress(FileNotFoundError):
            seen = entry.stat(follow_symlinks=False)
            yield _Sighting(folder, Path(entry.path), seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        yield from (entry for entry in found if not entry.name.startswith("."))


def _subfolders(folder: Path) -> Iterator[Path]:
    yield from (Path(entry.path) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))


def is_temporary(name: str) -> bool:
    """Lock and temp names of office programs, browsers and copy tools; they are left alone."""
    folded = name.casefold()
    return folded.startswith((".", "~$")) or folded.endswith(_TEMPORARY_ENDINGS) or folded in _NOT_FOR_US


def is_told_of_writers() -> bool:
    """Whether the kernel tells this process that another user's file is open for writing (Linux: CAP_LEASE)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return False
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_LEASE & 1)


def _being_written(path: Path) -> bool | None:
    """True while a process of this machine has the file open for writing; None where the file is another user's and
    the kernel therefore does not tell; False where nobody can ask."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return _has_writer(handle) if stat.S_ISREG(os.fstat(handle).st_mode) else False
    finally:
        os.close(handle)


def _has_writer(handle: int) -> bool | None:
    """Ask the kernel for a read lease, which it refuses while the file is open for writing (Linux, local disks), and
    to everybody but the file's owner unless he has CAP_LEASE: then None."""
    set_lease = getattr(fcntl, "F_SETLEASE", None)
    if set_lease is None:
        return False
    try:
        # a writer who comes during the lease would otherwise end this process with SIGIO
        fcntl.fcntl(handle, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, set_lease, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except PermissionError:
        return None
    except OSError:
        return False
    fcntl.fcntl(handle, set_lease, fcntl.F_UNLCK)
    return False


def display_name(name: str) -> str:
    """A file name as text that any database and page can hold: undecodable bytes and controls are escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
