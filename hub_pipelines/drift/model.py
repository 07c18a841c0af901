"""Header shapes, how two of them differ, and the steps of a migration. Pure.

Belongs here: what these things *are*. Not here: how a header becomes a shape (comparing), how a migration changes
a table (migrating), tables (store).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub_pipelines.common.canonical import sha256_hex
from hub_pipelines.common.errors import HubError
from hub_pipelines.validate.model import Unreadable

EVERY_SOURCE = "*"
_IN_SUMMARY = 50


@dataclass(frozen=True, slots=True)
class Source:
    """What a campus sends again and again under one name; `key` links its versions (intake.service.source_key)."""

    campus: str
    feed: str
    key: str


@dataclass(frozen=True, slots=True)
class HeaderShape:
    """What a header means: the contract's columns, each with the heading that names it, and the other headings.

    Equal meaning has an equal `fingerprint`, whatever the order, case or known spelling of the headings.
    """

    record_type: str
    fingerprint: str
    header: tuple[str, ...]
    columns: Mapping[str, str]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownShape:
    """A shape that a source's submissions have had. `columns` are those after its migration, if it needs one.

    It is `accepted` when a submission of it has posted or a person has said so; else one waits in review.
    """

    source: Source
    shape: HeaderShape
    first_seen_at: datetime
    first_request_id: str
    accepted_at: datetime | None
    accepted_by: str | None
    last_posted_at: datetime | None
    migration: str | None


class Kind(StrEnum):
    """How a submission's header stands to those before it."""

    FIRST = "first"  # nothing of its source has posted yet
    SAME = "same"  # its source has had this shape before
    EXTENDED = "extended"  # all the contract's columns that were there still are, and more
    REDUCED = "reduced"  # likewise, without some heading that the contract does not know
    NARROWED = "narrowed"  # columns are gone that its rows can do without, and no new heading may be one of them
    MIGRATED = "migrated"  # read under a migration that people have approved and applied for this shape
    DRIFTED = "drifted"  # a column of the contract that was there is gone: held
    UNFIT = "unfit"  # a required column is missing, and there is nothing to compare with: held as unreadable


@dataclass(frozen=True, slots=True)
class Lost:
    """A contract's column that is gone: the heading it had, and the new heading that looks most like it."""

    column: str
    heading: str | None
    looks_like: str | None


@dataclass(frozen=True, slots=True)
class Gained:
    """A new heading, and the contract's column that it names; None when the contract does not know it."""

    heading: str
    column: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """From the shape that posted last to this one. `gone` are other headings that are no longer there."""

    lost: tuple[Lost, ...] = ()
    gained: tuple[Gained, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        if self.lost:
            return Kind.DRIFTED
        if self.gained:
            return Kind.EXTENDED
        return Kind.REDUCED if self.gone else Kind.SAME

    def summary(self) -> dict[str, object]:
        """For the audit log: the first of each, and how many more there are."""
        document = self.document()
        more = {name: len(found) - _IN_SUMMARY for name, found in document.items() if len(found) > _IN_SUMMARY}
        return {**{name: found[:_IN_SUMMARY] for name, found in document.items()}, **({"more": more} if more else {})}

    def document(self) -> dict[str, list[object]]:
        return {
            "lost": [{"column": one.column, "heading": one.heading, "looks_like": one.looks_like} for one in self.lost],
            "gained": [{"heading": one.heading, "column": one.column} for one in self.gained],
            "gone": list(self.gone),
        }

    @staticmethod
    def from_document(document: Mapping[str, Sequence[Mapping[str, str | None]]]) -> "Change":
        return Change(
            lost=tuple(Lost(**one) for one in document["lost"]),  # type: ignore[arg-type]  # as `document` wrote it
            gained=tuple(Gained(**one) for one in document["gained"]),  # type: ignore[arg-type]
            gone=tuple(str(one) for one in document["gone"]),
        )


NO_CHANGE = Change()
NARROWED_BY = "hub/what the columns that are gone had said stays"
"""By whom the shape of a header that only lacks such columns is accepted. Later headers are not compared with it: what
it lacks could be renamed unseen."""


@dataclass(frozen=True, slots=True)
class ShapeChange:
    """A submission whose header was not as before, as it was noticed."""

    request_id: str
    revision: int
    source: Source
    record_type: str
    fingerprint: str
    compared_with: str | None
    kind: Kind
    change: Change
    noticed_at: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """One column in two headers: by which heading before, by which now. `column` is None for others."""

    column: str | None
    before: str | None
    now: str | None
    perhaps: str | None = None
    """The new heading that looks most like a column that is gone."""


class Held(Unreadable):
    """The header does not do as it is; `seen` is what it is, `compared_with` the shape that posted last."""

    kind = Kind.UNFIT

    def __init__(self, reason: str, fix: str, seen: HeaderShape, change: Change, compared_with: str | None) -> None:
        super().__init__(reason, fix)
        self.seen = seen
        self.change = change
        self.compared_with = compared_with


class Unfit(Held):
    """A required column is missing and no earlier submission tells more."""


class Drifted(Held):
    """A column that the source's earlier submissions had is gone. A person decides; nobody retries."""

    cause = "drift"
    kind = Kind.DRIFTED


class ShapesMoved(HubError):
    """Another submission of the source has posted meanwhile, and the header is judged otherwise now.

    The caller validates again.
    """


# ---- migrations


class BadMigration(HubError):
    """A migration can't be what it says; the text names the place. Nothing is kept of it. Its author mends it."""


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    column: str = Field(min_length=1)


class Rename(_Step):
    """The heading `column` is the contract's column `to`."""

    do: Literal["rename"]
    to: str = Field(min_length=1)


class Split(_Step):
    """Cells of `column` hold several values: they are parted at `separator` and go `into` as many columns.

    A blank as separator stands for any number of blanks. The last column takes what is left.
    """

    do: Literal["split"]
    into: tuple[str, ...] = Field(min_length=2)
    separator: str = Field(min_length=1)


class Convert(_Step):
    """The values of `column` are written another way than the contract takes them.

    A cell that is not written so is left as it is, and the contract judges it.
    """

    do: Literal["convert"]
    to: Literal["date", "number", "words"]
    written: str | None = None
    decimal: Literal[",", "."] | None = None
    words: dict[str, str] | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Convert":
        needs = {"date": "written", "number": "decimal", "words": "words"}[self.to]
        given = [name for name in ("written", "decimal", "words") if getattr(self, name) is not None]
        if given != [needs] or not getattr(self, needs):
            raise ValueError(f'a conversion to "{self.to}" needs {needs} and nothing else beside column')
        return self


class Default(_Step):
    """`value` stands in `column` wherever the row has none, or in every row when the column is not there."""

    do: Literal["default"]
    value: str = Field(min_length=1)


Step = Annotated[Rename | Split | Convert | Default, Field(discriminator="do")]


class Steps(BaseModel):
    """What a migration does to a table, in this order, and to which."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)

    campus: str
    feed: str
    record_type: str
    source: str
    shape: str = Field(alias="from")
    note: str = ""
    steps: tuple[Step, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Migration:
    """One version of a migration, never edited. `text` is the file as it was written."""

    migration_id: str
    version: int
    source_key: str
    steps: Steps
    text: str
    author: str
    added_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    applied_by: str | None = None
    applied_at: datetime | None = None

    @property
    def reference(self) -> str:
        """What a posting records."""
        return f"{self.migration_id}@{self.version}"

    @property
    def digest(self) -> str:
        return sha256_hex(self.text.encode("utf-8"))

    @property
    def state(self) -> str:
        if self.applied_at is not None:
            return "applied"
        return "approved" if self.approved_at is not None else "written"


def migration_id_for(campus: str, feed: str, record_type: str, source_key: str, shape: str) -> str:
    """One id for all versions of what one shape of a source needs."""
    text = "\n".join(("hub-migration-1", campus, feed, record_type, source_key, shape))
    return f"migration-{sha256_hex(text.encode('utf-8'))[:10]}"
