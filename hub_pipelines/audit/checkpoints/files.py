"""Checkpoints as files, each written once: `<folder>/<campus>/00000007.json`, and the public keys beside them.

The same files stand in the archive and in `reports/checkpoints/`; the latter is the one to mount or copy elsewhere.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hub_pipelines.audit.checkpoints.keys import pem_of
from hub_pipelines.audit.checkpoints.model import Checkpoint, PublicKey
from hub_pipelines.common.files import draft_of, write_replacing

PUBLIC_KEYS = "public-keys"
"""No campus can be called so."""
_NAME = re.compile(r"[0-9]{8,}\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """One folder of checkpoints. Raises OSError when it can't be read or written."""

    folder: Path

    def path(self, campus: str, number: int) -> Path:
        return self.folder / campus / f"{number:08d}.json"

    def numbers(self) -> dict[str, set[int]]:
        """Which checkpoints are here, by campus. Names only: nothing is opened."""
        found: dict[str, set[int]] = {}
        campuses = [one for one in self.folder.iterdir() if one.is_dir()] if self.folder.is_dir() else []
        for campus in campuses:
            if campus.name != PUBLIC_KEYS:
                found[campus.name] = {int(one.stem) for one in campus.glob("*.json") if _NAME.fullmatch(one.name)}
        return found

    def text(self, campus: str, number: int) -> str:
        """What a file holds; of one that can't be opened why, which is no checkpoint either."""
        try:
            return self.path(campus, number).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return f"{error.strerror}"

    def write(self, one: Checkpoint) -> None:
        """Make the file, durable when this returns; one that is there is left as it is."""
        path = self.path(one.campus, one.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            with draft.open("w", encoding="utf-8") as file:
                file.write(one.text())
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                return
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def write_keys(self, keys: Iterable[PublicKey]) -> None:
        """The public keys, so that a copy of this folder can be verified by itself."""
        for key in keys:
            path = self.folder / PUBLIC_KEYS / key.campus / f"{key.key_id}.pem"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_replacing(path, pem_of(key))
