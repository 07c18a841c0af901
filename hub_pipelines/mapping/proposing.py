"""What each column of a file may be in a contract, with how much speaks for it.

Belongs here: weighing headings and values against each other. Not here: how alike two headings are (likeness), what
values look like (content, fits), which of several candidates it is (choosing). Pure.
"""

import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace

from hub_pipelines.mapping.content import MOST_PROFILED, Profile, profile_of, words_in
from hub_pipelines.mapping.fits import Fit, fit, fits_of
from hub_pipelines.mapping.likeness import THINGS, Heading, Like, is_not_ours, likeness, taken_apart
from hub_pipelines.mapping.model import NONE_OF_THEM, Confirmed, How
from hub_pipelines.validate.columns import column_letters, normalise_header, places_of
from hub_pipelines.validate.conventions.numbers import currency_of
from hub_pipelines.validate.model import Cell, Part, RecordType

SURE = 0.8
"""From here on a column is used without asking, if no other comes close."""
DOUBTFUL = 0.7
"""What a column is given about which something speaks against all else."""
_REFUTED = -0.5
"""Values that fit no better are surely something else."""
TELLING_FIT = 0.6
"""From here on values tell what they are."""
HAS_UNIT = frozenset(("quantity", "quantity_on_hand", "reorder_level"))
_HOW_MUCH = frozenset(("quantity", "quantity_on_hand"))
HAS_CURRENCY = frozenset(("unit_cost", "amount", "obligated_amount"))
# a word more makes another column of it, whatever the values: a cost share amount, a calibration's due date
_NEVER_SURE = SURE - 0.01
_SECTION = "section"
"""How titles between the rows are headed (parsing/layout): what they tell of the rows below, their values say."""
# how much less values say where a heading says something that nobody knows
_UNDER_A_HEADING = 0.92
_ALWAYS = 0.9
_HOW: Map[str, How] = {
    "name": "name",
    "synonym": "synonym",
    "vague": "synonym",
    "cleaned": "synonym",
    "slip": "likeness",
    "near": "likeness",
    "head": "likeness",
    "end": "likeness",
    "inside": "likeness",
}
_MAY_TELL_HOW_MUCH = 0.65
"""Worth a question, and no more (questioning)."""
_LONGEST_NUMBER = 6
_FINER = (
    words_in(
        "cabinet cupboard closet freezer fridge refrigerator tank armoire schrank kast kühlschrank gefrierschrank"
    ),
    words_in("bench shelf rack regal étagère estante scaffale"),
    words_in("drawer bin box position"),
)
"""Places within a room, the coarser first."""
_CATALOGUE = words_in("catalog sku katalog katalognummer 货号 目录号 カタログ番号 카탈로그 카탈로그번호")
_SCALED = re.compile(
    r"%|\bpercent|\bpct\b|[(\[{][^)\]}]*/[^)\]}]*[)\]}]|\b1?[ ,.']?0{3}s?\b|\bthousands?\b|\bmillions?\b|\bk\b"
    r"|[km] ?[$€£]|[$€£] ?(?:k|mm?)\b|[x×*] ?10",
    re.I,
)
"""In a heading: its numbers are shares, ratios, or must be multiplied first."""
_EMPTY = Profile()


def keys_of(header: Sequence[str]) -> list[str]:
    """What each column of a file is remembered by: its heading in normal form, with a number where it is repeated,
    or its place, such as [c], where it has none. All are in small letters."""
    seen: dict[str, int] = {}
    keys = []
    for position, text in enumerate(header):
        form = normalise_header(text) or f"[{column_letters(position).lower()}]"
        form = f'"{form}"' if form == NONE_OF_THEM else form
        seen[form] = seen.get(form, 0) + 1
        keys.append(form if seen[form] == 1 else f"{form} ({seen[form]})")
    return keys


# ---- what is known of the file


@dataclass(frozen=True)
class File:
    """What is known of the file; the sequences have one entry for each of its columns."""

    header: Sequence[str]
    keys: Sequence[str]
    headings: Sequence[Heading]
    profiles: Sequence[Profile]
    settled: Map[int, str | None]
    """By position what people have said of it."""
    nameless: bool
    parts: Sequence[Part] = ()

    def place(self, position: int) -> str:
        """Where Excel shows a column."""
        return places_of(position, self.parts)


def file_of(
    header: Sequence[str],
    sample: Sequence[list[Cell]],
    confirmed: Confirmed,
    parts: Sequence[Part] = (),
    tags: Collection[str] = (),
) -> File:
    keys = keys_of(header)
    looked_at = min(len(header), MOST_PROFILED)
    profiles = [profile_of(sample, at, tags) for at in range(looked_at)] + [_EMPTY] * (len(header) - looked_at)
    return File(
        header=header,
        keys=keys,
        headings=taken_apart(header),
        profiles=profiles,
        settled={at: confirmed.headings[key] for at, key in enumerate(keys) if key in confirmed.headings},
        nameless=not any(text.strip() for text in header),
        parts=parts,
    )


# ---- what each column may be


@dataclass(frozen=True, slots=True)
class Candidate:
    column: str
    position: int
    score: float
    how: How
    evidence: tuple[str, ...]
    vague: bool = False
    lesser: int = 0
    """How small a part of it the heading tells: a kind of thing for its name; a cabinet, a shelf or a drawer for its
    place. It gives way to what tells more."""
    names: bool = False
    """The heading says outright what is asked: of name and description the name, of several numbers the catalogue's."""
    own: bool = False
    """The heading is the contract's own spelling."""
    exact: bool = False
    """The heading is a known spelling as it stands, with nothing set aside."""
    near: bool = False
    """The heading is only written like a known spelling, or ends in a single word of one; it may well say another
    thing."""
    empty: bool = False
    """No row has a value here, though rows have values elsewhere."""
    order: int = 0
    fit: float = 0.0


@dataclass
class Proposal:
    """What a file would be as a list of one record type."""

    record: RecordType
    candidates: list[Candidate]
    chosen: dict[str, Candidate] = field(default_factory=dict)
    ties: dict[str, list[Candidate]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    """Columns whose values stand in another column's cells or heading."""
    left: dict[str, int] = field(default_factory=dict)
    """By column where earlier files had it, if that does not do in this one as a matter of course."""

    @property
    def missing(self) -> list[str]:
        return [column for column in self.record.required if column not in self.chosen and column not in self.given]

    @property
    def tells_tags(self) -> bool:
        tag = self.chosen.get(self.record.tag_column or "")
        return tag is not None and not tag.vague

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def worth(self) -> float:
        """How much speaks for this record type. What identifies its rows weighs most."""
        keys = set(self.record.key_columns)
        there = sum(
            -self._lack(column, keys)
            if one.empty and column == self.record.tag_column and one.vague
            else one.score * (2.5 if self._identifies(column, keys) and not one.vague else 1.0)
            for column, one in self.chosen.items()
        )
        tied = [column for column in self.ties if column not in self.chosen]
        lacking = sum(self._lack(column, keys) for column in self.missing if column not in tied)
        return there + 0.8 * len(tied) - lacking

    def _lack(self, column: str, keys: set[str]) -> float:
        if column == self.record.tag_column:
            return 2.0
        return 1.0 if self._identifies(column, keys) else 0.15

    def _identifies(self, column: str, keys: set[str]) -> bool:
        return self.record.lines is None and column in keys and column in self.record.required


def propose(file: File, record: RecordType, confirmed: Confirmed, before: Map[str, int]) -> Proposal:
    """Everything that the columns may be, the surest first; chosen is only what people have said, and what named the
    rows in earlier files (`before`, by column its position)."""
    said = {column: at for at, column in file.settled.items() if column in record.columns}
    absent = confirmed.absent - said.keys()
    order = {form: number for number, form in enumerate(record.aliases)}
    candidates = [
        one
        for at, likes in enumerate(likeness(file.headings, record))
        if at not in file.settled and (likes or file.profiles[at].count)
        for one in _candidates(file, at, likes, record, order)
        if one.column not in absent and one.column not in said
    ]
    proposal = Proposal(record, sorted(candidates, key=lambda one: one.score, reverse=True), absent=absent)
    for column, at in said.items():
        proposal.chosen[column] = Candidate(column, at, 1.0, "confirmed", ("a person has said so",))
    for column, at in before.items():
        if column not in said and column not in absent and at not in file.settled:
            _read_as_before(proposal, file, column, at)
    return proposal


def _read_as_before(proposal: Proposal, file: File, column: str, at: int) -> None:
    """Unless nothing stands there, what stands there is surely something else, or a heading is its very name."""
    one = next((one for one in proposal.candidates if (one.column, one.position) == (column, at)), None)
    values = fit(column, file.profiles[at])
    named = [normalise_header(text) == normalise_header(column) for text in file.header]
    if file.profiles[at].count and values.score > _REFUTED and (named[at] or not any(named)):
        one = one or Candidate(column, at, SURE, "earlier", (), fit=values.score)
        told = (*one.evidence, "earlier files of this list were read so")
        proposal.chosen[column] = replace(one, score=max(one.score, SURE), evidence=told)
    else:
        proposal.left[column] = at


def _candidates(
    file: File, at: int, likes: Map[str, Like], record: RecordType, order: Map[str, int]
) -> list[Candidate]:
    profile, heading = file.profiles[at], file.headings[at]
    fits = fits_of(record.columns if profile.count else likes, profile)
    found = [_by_heading(like, fits[column], at, file, record, order) for column, like in likes.items()]
    certain = max((one.score for one in found), default=0.0) >= SURE
    foreign = is_not_ours(heading, record) or any("by" in form.split() for form in heading.forms)  # it tells who
    for column, values in fits.items():
        if column in likes or not values.alone or ((certain or foreign) and values.alone < _ALWAYS):
            continue
        says_nothing = normalise_header(file.header[at]) in ("", _SECTION)
        score = values.alone * (1.0 if says_nothing or values.alone >= _ALWAYS else _UNDER_A_HEADING)
        if column in HAS_UNIT and file.nameless and _has_other_numbers(file, at):
            score *= _UNDER_A_HEADING  # one is how much, the other how large or how dear
        found.append(Candidate(column, at, score, "content", (values.evidence,), fit=values.score))
    if file.nameless:
        found += _may_tell_how_much(at, profile, fits, {one.column for one in found})
    return found


def _may_tell_how_much(at: int, profile: Profile, fits: Map[str, Fit], known: set[str]) -> list[Candidate]:
    """Without headings short numbers may be amounts or anything else: its sender is asked, for nobody else knows."""
    share = profile.share("number", "amount", "counted")
    is_long = profile.mean_length > _LONGEST_NUMBER and not profile.share("counted")
    if share < TELLING_FIT or profile.running or is_long:
        return []
    told = f"{round(share * profile.count)} of {profile.count} values begin with a number"
    return [
        Candidate(column, at, _MAY_TELL_HOW_MUCH, "content", (told,), fit=values.score)
        for column, values in fits.items()
        if column in _HOW_MUCH and column not in known and values.score >= 0
    ]


def _has_other_numbers(file: File, at: int) -> bool:
    return any(
        other != at and other not in file.settled and one.share("number", "money") >= TELLING_FIT and not one.running
        for other, one in enumerate(file.profiles)
    )


def _by_heading(like: Like, values: Fit, at: int, file: File, record: RecordType, order: Map[str, int]) -> Candidate:
    evidence = [like.told(file.header[at])]
    lesser = _lesser(like.column, file.headings[at])
    score = _weighed(like, values, file.profiles[at], required=like.column in record.required)
    if like.column == record.tag_column and like.how in ("name", "synonym") and not like.vague:
        # a list of tags is never one without, however Excel has damaged them: the contract refuses its rows
        score = max(score, 0.9 * like.score)
    if like.column == record.tag_column:
        score = max(score, values.alone)
    if like.column in HAS_UNIT | HAS_CURRENCY and _SCALED.search(file.header[at]):
        score = min(score, DOUBTFUL)
        evidence.append("but its heading tells of a share, a ratio or a multiple")
    if refuted := _in_other_currency(like.column, file.headings[at], record):
        values, score = refuted, 0.0
    if values.evidence and values.score:
        evidence.append(values.evidence if values.score > 0 else f"but {values.evidence}")
    return Candidate(
        column=like.column,
        position=at,
        score=score * 0.95 if lesser else score,
        how=_HOW[like.how],
        evidence=tuple(evidence),
        vague=like.how != "name" and like.vague,
        lesser=lesser,
        names=_names(like.column, file.headings[at]),
        own=like.own,
        exact=like.how in ("name", "synonym"),
        near=like.how == "near" or (like.how == "end" and " " not in like.spelling),
        empty=not file.profiles[at].count and any(profile.count for profile in file.profiles),
        order=order.get(like.spelling, len(order)),
        fit=values.score,
    )


def _in_other_currency(column: str, heading: Heading, record: RecordType) -> Fit | None:
    """A contract without a column for the currency has amounts in US dollars: a list of prices in another one has no
    such column, and none of its rows is to be refused for it."""
    if column not in HAS_CURRENCY or column in record.required or "currency" in record.columns:
        return None
    currency = currency_of(heading.unit) if heading.unit else None
    if currency in (None, "USD"):
        return None
    return Fit(-1.0, f"its amounts are in {currency}, and the hub keeps them in US dollars and converts none")


def _lesser(column: str, heading: Heading) -> int:
    if column in THINGS:
        return int(_ends_in("type", heading))
    words = {word for form in heading.same for word in form.split()}
    return (
        max((size for size, finer in enumerate(_FINER, start=1) if finer & words), default=0)
        if column == "location"
        else 0
    )


def _names(column: str, heading: Heading) -> bool:
    if column == "item_code":
        return any(not _CATALOGUE.isdisjoint(form.split()) for form in heading.same)
    return column in THINGS and _ends_in("name", heading)


def _ends_in(word: str, heading: Heading) -> bool:
    return any(form.endswith(word) for form in heading.forms)


def _weighed(like: Like, values: Fit, profile: Profile, *, required: bool) -> float:
    """How sure a heading makes us once its values are looked at."""
    if values.score >= 0:
        score = like.score + (1 - like.score) * values.score * 0.6
        return min(score, _NEVER_SURE) if like.how == "end" else score
    against = -values.score
    outright = like.how in ("name", "synonym")
    if outright and (against < 0.9 or (required and (against < 1 or profile.count < 5))):
        # a heading that says it outright is believed, and the contract judges its values, unless they are surely others
        return like.score * (1 - 0.1 * against)
    return like.score * (1 - (0.5 if required else 0.75) * against)
