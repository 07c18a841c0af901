"""Making checkpoints, keeping copies of them outside the database, and verifying the chains against all of them.

Safe to run in many processes at once and to be killed anywhere: a checkpoint is one row that is inserted once, and its
files are made from that row whenever they are missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.checkpoints import store
from hub_pipelines.audit.checkpoints.files import PUBLIC_KEYS, CheckpointFiles
from hub_pipelines.audit.checkpoints.keys import NEXT, PRIVATE, CampusKeys, Signer, signature_fault
from hub_pipelines.audit.checkpoints.model import PER_CHECKPOINT, Checkpoint, PublicKey, Seen
from hub_pipelines.audit.checkpoints.verifying import Row, Texts, read, row_of, told_by
from hub_pipelines.audit.model import GENESIS, ChainReport, Entry, Event, Signed, link_of, walk_chain
from hub_pipelines.common.errors import HubError, SettingsError
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database, Transaction, database_now

DATABASE = "the database"
OVERDUE = timedelta(hours=3)
"""An entry that no checkpoint covers after so long is told; one is due every hour."""


class NotSigned(HubError):
    """No checkpoint was made, because what it would say is not so or not known. A person must look; nobody retries."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a round made: new checkpoints, files written, and what could not be written and will be by a later round."""

    checkpoints: tuple[Checkpoint, ...]
    files: int
    trouble: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """`places` are the folders outside the database by the name that a reader knows them by."""

    db: Database
    keys: CampusKeys
    places: dict[str, CheckpointFiles]
    campuses: tuple[str, ...]

    # ---- making

    def make(self) -> Made:
        """Sign all that is not covered yet, then write the files that are missing.

        Raises NotSigned when a chain or a checkpoint is not as it was written, SettingsError when a key is missing.
        """
        with self.keys.alone():
            return self._round()

    def _round(self) -> Made:
        self._check_nothing_was_taken_away()
        with self.db.read() as tx:
            heads = audit.heads_of(tx)
        self.keys.ensure([*self._signers(), *heads])
        made = [one for campus in heads for one in self._cover(campus)]
        return self._write_files(made)

    def _check_nothing_was_taken_away(self) -> None:
        """Names first, rows after: a row is there before its file."""
        outside = {place: files.numbers() for place, files in self.places.items()}
        with self.db.read() as tx:
            inside = store.numbers(tx)
        for place, numbers in outside.items():
            for campus, there in numbers.items():
                if lost := sorted(there - inside.get(campus, set())):
                    raise NotSigned(
                        f"No checkpoint was made: checkpoint {lost[0]} of {campus} is in {place} and not in the "
                        "database. Rows were taken away, or the database is an older copy. If an older copy was "
                        f"restored on purpose, keep these files of {campus} as evidence and move them out of {place}."
                    )

    def _cover(self, campus: str) -> Iterator[Checkpoint]:
        while True:
            with self.db.read() as tx:
                one = self._next(tx, campus)
            if one is None:
                return
            with self.db.write() as tx:
                is_mine = store.keep(tx, one)
            if is_mine:
                yield one

    def _next(
        self, tx: Transaction, campus: str, introduces: PublicKey | None = None, key: str = PRIVATE
    ) -> Checkpoint | None:
        """The checkpoint that is due, signed; None when nothing has happened since the last one."""
        heads = audit.heads_of(tx)
        newest = self._newest(tx)
        before = newest.get(campus)
        head_seq, _ = heads[campus]
        if key == PRIVATE:
            if before is None:
                introduces = self.keys.current(campus)
            else:
                self.keys.in_place(campus, before.active_after)
        if before and audit.hash_at(tx, campus, before.seq) != before.head:
            raise NotSigned(f"No checkpoint was made: {campus}:{before.seq} is not what {before.name} tells.")
        start = before.seq if before else 0
        if head_seq == start and introduces is None:
            return None
        seq, head, links = self._walked(tx, campus, before, min(head_seq, start + PER_CHECKPOINT))
        own = self.keys.signer(campus, name=key)
        others = self._countersigners(campus, newest, some_may_be_lost=key == NEXT)
        unsigned = Checkpoint(
            campus=campus,
            number=before.number + 1 if before else 1,
            previous=before.digest() if before else GENESIS,
            seq=seq,
            head=head,
            at=database_now(tx),
            links=links,
            seen={other: _seen(*heads[other], newest.get(other)) for other in heads if other != campus},
            key_id=own.public.key_id,
            countersigners={other.public.campus: other.public.key_id for other in others},
            introduces=introduces,
        )
        return unsigned.signed([one.sign(unsigned.message()) for one in (own, *others)])

    def _countersigners(self, campus: str, newest: Mapping[str, Checkpoint], *, some_may_be_lost: bool) -> list[Signer]:
        """All others; where keys were lost, those that still have theirs, so that one can be replaced after the
        other. Raises NotSigned when nobody has."""
        found, lost = [], []
        for other in self._signers():
            if other == campus:
                continue
            try:
                if other in newest:
                    self.keys.in_place(other, newest[other].active_after)
                found.append(self.keys.signer(other))
            except SettingsError as error:
                if not some_may_be_lost:
                    raise
                lost.append(str(error))
        if not found:
            raise NotSigned(
                f"No other campus's key is left that could introduce a new one for {campus}, and without one nobody "
                f"can tell that it is this hub's. Restore {self.keys.folder} from a backup. ({lost[0]})"
            )
        return found

    def _newest(self, tx: Transaction) -> dict[str, Checkpoint]:
        """The newest checkpoint of each campus, none of which somebody has changed. Raises NotSigned."""
        keys = self.keys.public()
        found: dict[str, Checkpoint] = {}
        for campus, (number, text) in store.newest_texts(tx).items():
            one = read(text, campus, number)
            fault = one if isinstance(one, str) else signature_fault(one, keys)
            if fault or isinstance(one, str):
                raise NotSigned(
                    f"No checkpoint was made: checkpoint {number} of {campus} in the database {fault}. Public keys "
                    f"that are missing in {self.keys.folder}/<campus>/public are in reports/checkpoints/{PUBLIC_KEYS}."
                )
            found[campus] = one
        return found

    def _walked(self, tx: Transaction, campus: str, before: Checkpoint | None, upto: int) -> tuple[int, str, bytes]:
        """Seq and hash of the last entry to cover, and the links to it; what is not so is not signed."""
        start, last = (before.seq, before.head) if before else (0, GENESIS)
        hashes: list[str] = []

        def linking() -> Iterator[Entry]:
            for entry in audit.chain(tx, campus, after=start if before else None, upto=upto):
                hashes.append(entry.hash)
                yield entry

        walked = walk_chain(linking(), Signed(), seq=start, last=last)
        if walked.fault or walked.seq != upto:
            raise NotSigned(f"No checkpoint was made: {campus}:{walked.seq + 1} {walked.fault or 'is missing'}.")
        return walked.seq, walked.hash, b"".join(link_of(one) for one in hashes)

    def _signers(self) -> tuple[str, ...]:
        """The reserved scope signs too, so that a hub of one campus has a second signature."""
        return (*self.campuses, RESERVED_CAMPUS)

    def _write_files(self, made: list[Checkpoint]) -> Made:
        written, trouble = 0, []
        with self.db.read() as tx:
            numbers = store.numbers(tx)
            for place, files in self.places.items():
                try:
                    written += self._write_missing(tx, files, numbers)
                except OSError as error:
                    trouble.append(f"{place}: checkpoints can't be written there ({error.strerror})")
        return Made(tuple(made), written, tuple(trouble))

    def _write_missing(self, tx: Transaction, files: CheckpointFiles, numbers: dict[str, set[int]]) -> int:
        files.write_keys(self.keys.public().values())
        there = files.numbers()
        written = 0
        for campus, all_numbers in numbers.items():
            for number in sorted(all_numbers - there.get(campus, set())):
                one = read(store.text_of(tx, campus, number), campus, number)
                if isinstance(one, Checkpoint):
                    files.write(one)
                    written += 1
        return written

    # ---- keys

    def rotate(self, campus: str, *, actor: str, lost: bool = False) -> Checkpoint:
        """Begin with a new key, introduced by a checkpoint that the old one signs; when that is lost, by the others.

        Raises NotSigned and SettingsError as `make` does, NotSigned too when the campus has no chain yet.
        """
        with self.keys.alone():
            return self._rotate(campus, actor, lost=lost)

    def _rotate(self, campus: str, actor: str, *, lost: bool) -> Checkpoint:
        if not lost:
            self._round()
        with self.db.read() as tx:
            if not lost and campus not in audit.heads_of(tx):
                raise NotSigned(f"{campus} has no audit entries yet, so there is nothing that its key has signed.")
        new = self.keys.new_key(campus)
        with self.db.write() as tx:
            audit.append(
                tx, Event(campus, actor, "audit:key_rotated", campus, None, {"key_id": new.key_id, "old_lost": lost})
            )
        while True:
            with self.db.read() as tx:
                one = self._next(tx, campus, introduces=new, key=NEXT if lost else PRIVATE)
            assert one is not None, "a key can be introduced even when no entry is new"
            with self.db.write() as tx:
                if store.keep(tx, one):
                    break
        self.keys.in_place(campus, new.key_id)
        self._write_files([one])
        return one

    # ---- looking

    def verify(self, copy: Path | None = None) -> ChainReport:
        """Walk all chains, and hold them against every checkpoint in the database, the folders and, where given, a copy
        that was kept elsewhere. `first_bad` is the first bad entry; when all entries are good, a bad checkpoint."""
        places = self.places | ({str(copy): CheckpointFiles(copy)} if copy else {})
        outside = {place: _texts(files) for place, files in places.items()}
        if copy and not any(outside[str(copy)].values()):
            raise SettingsError(
                f"--copy {copy}: there is no checkpoint in it. Name the folder that has a folder for each campus, "
                "as reports/checkpoints has."
            )
        with self.db.read() as tx:  # after the files: a row is there before its file
            campuses = sorted({*store.numbers(tx), *(campus for texts in outside.values() for campus in texts)})
            inside = {campus: store.texts_of(tx, campus) for campus in campuses}
        keys = self.keys.public()
        rows = [
            row_of(
                campus,
                {DATABASE: inside[campus], **{place: texts.get(campus, {}) for place, texts in outside.items()}},
                keys,
            )
            for campus in campuses
        ]
        signed, contradictions = told_by(rows)
        report = audit.walk(self.db, signed)
        faults = [fault for row in rows for fault in row.faults] + contradictions
        notes = [note for row in rows for note in row.notes]
        for row in rows:
            faults += _taken_away(row, inside[row.campus], outside)
            notes += _not_written(row, outside, self.places)
            notes += _reach(row, str(copy), outside[str(copy)]) if copy else []
        notes += [*report.notes, *self._overdue_told()]
        if report.first_bad:
            notes = faults + notes
        covered = {row.campus: row.genuine[-1].seq for row in rows if row.genuine}
        first_bad = report.first_bad or next(iter(faults), None)
        return replace(report, first_bad=first_bad, signed=covered, notes=tuple(notes))

    def _overdue_told(self) -> list[str]:
        with self.db.read() as tx:
            now = database_now(tx)
        return [
            f"what {campus}'s chain holds since {at:%Y-%m-%d %H:%M} UTC is in no signed checkpoint"
            for campus, at in self.overdue(now).items()
        ]

    def is_due(self) -> bool:
        """Whether there is something to sign, or a file to write."""
        with self.db.read() as tx:
            covered = store.covered(tx)
            # a head that can't be read is looked at, too
            grown = any(not 0 <= seq <= covered.get(campus, 0) for campus, (seq, _) in audit.heads_of(tx).items())
        return grown or bool(self.unwritten())

    def unwritten(self) -> list[str]:
        """The places that lack files which the next round writes."""
        outside = {place: files.numbers() for place, files in self.places.items()}
        with self.db.read() as tx:
            inside = store.numbers(tx)
        return [place for place, there in outside.items() if any(inside[one] - there.get(one, set()) for one in inside)]

    def keys_astray(self) -> dict[str, Path]:
        """Campuses whose private key is here and is not the one that signs next, by their newest checkpoint."""
        with self.db.read() as tx:
            newest = self._newest(tx)
        return {
            campus: self.keys.path(campus)
            for campus, one in newest.items()
            if self.keys.path(campus).exists() and not self.keys.holds(campus, one.active_after)
        }

    def overdue(self, now: datetime) -> dict[str, datetime]:
        """Campuses with an entry that no checkpoint has covered for too long, and since when it waits."""
        with self.db.read() as tx:
            covered = store.covered(tx)
            heads = audit.heads_of(tx)
            waiting = {
                campus: audit.at_of(tx, campus, covered.get(campus, 0) + 1)
                for campus, (seq, _) in heads.items()
                if seq > covered.get(campus, 0)
            }
        return {campus: at for campus, at in waiting.items() if at is not None and now - at > OVERDUE}


def _reach(row: Row, copy: str, texts: dict[str, dict[int, str]]) -> Iterator[str]:
    there = texts.get(row.campus, {})
    newest = row.genuine[-1].number if row.genuine else 0
    if there and max(there) < newest:
        yield f"{copy} reaches to checkpoint {max(there)} of {row.campus}; those up to {newest} are not in it"
    if not there and newest:
        yield f"{copy} has no checkpoint of {row.campus}, so it tells nothing of {row.campus}'s chain"


def _seen(seq: int, head: str, newest: Checkpoint | None) -> Seen:
    return Seen(seq, head, newest.number if newest else 0, newest.digest() if newest else GENESIS)


def _texts(files: CheckpointFiles) -> dict[str, dict[int, str]]:
    return {
        campus: {number: files.text(campus, number) for number in sorted(numbers)}
        for campus, numbers in files.numbers().items()
    }


def _taken_away(row: Row, inside: Texts, outside: dict[str, dict[str, dict[int, str]]]) -> Iterator[str]:
    for place, texts in outside.items():
        lost = sorted(set(texts.get(row.campus, {})) - set(inside))
        if lost:
            yield (
                f"checkpoint {lost[0]} of {row.campus} is in {place} and not in the database: "
                "it was taken away, or the database is an older copy"
            )


def _not_written(
    row: Row, outside: dict[str, dict[str, dict[int, str]]], places: dict[str, CheckpointFiles]
) -> Iterator[str]:
    for place in places:
        missing = [one.number for one in row.genuine if one.number not in outside[place].get(row.campus, {})]
        if missing:
            told = f"{len(missing)} checkpoints of {row.campus} have no file in {place}, the first is {missing[0]}"
            yield f"{told}; `hub audit checkpoint` writes them"
