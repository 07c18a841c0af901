"""Which column of a file is which column of the contract, or what must be asked to know it.

Belongs here: weighing headings and values against each other, the choice of the record type, what is worth a question.
Not here: how alike two headings are (likeness), what values look like (content), the sentences (asking), what people
have answered (store). Pure.
"""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hub_pipelines.mapping.asking import about_column, about_record_type, phrase_of
from hub_pipelines.mapping.content import Profile, profile_of, words_in
from hub_pipelines.mapping.fits import Fit, carries_unit, fit
from hub_pipelines.mapping.likeness import Heading, Like, is_not_ours, likeness, taken_apart
from hub_pipelines.mapping.model import NONE_OF_THEM, Asked, Assigned, Confirmed, How, Mapping, Question
from hub_pipelines.validate.columns import (
    column_letters,
    located_columns,
    map_columns,
    normalise_header,
    refuse_foreign,
    tells_of_things,
    too_general,
)
from hub_pipelines.validate.model import Cell, Feed, RecordType, Unreadable

SURE = 0.8
"""From here on a column is used without asking, if no other comes within MARGIN."""
MARGIN = 0.06
_PERHAPS = 0.5
# an optional column is used without asking from here on if it is the only one that may be it and its values agree
_ALONE = 0.74
# from here on a column that may be an optional one is worth a question, if that one decides what a line is
_LIKELY = 0.7
# from here on it is worth one if it may tell how much there is; of others it is told that they are not read
_WORTH_TELLING = 0.6
_MOST_QUESTIONS = 5
_MOST_TOLD = 4
_TELLING_FIT = 0.6
_AS_LIKELY = 0.5
# a header may have thousands of columns; what a person would look at is among the first
_MOST_PROFILED = 400
# how much less values say where a heading says something that nobody knows
_UNDER_A_HEADING = 0.92
_ALWAYS = 0.9
_IMPORTANT = words_in(
    """
    item_name item_code location quantity quantity_on_hand unit cas_number cas_numbers hazard_codes expires_on
    lot_number asset_tag container_id waste_codes un_number award_id transaction_id amount po_number
    """
)
"""Columns that are looked for, or at least told of, although the contract does not require them."""
_DECISIVE = words_in("location quantity quantity_on_hand waste_codes un_number amount")
"""Of these, the ones that a file is held for: where and how much there is, what a law asks for, sums of money."""
_HOW: Map[str, How] = {
    "name": "name",
    "synonym": "synonym",
    "vague": "synonym",
    "cleaned": "synonym",
    "slip": "likeness",
    "near": "likeness",
    "head": "likeness",
    "inside": "likeness",
}
_NAMES = frozenset(("item_name", "contents"))
_FINER = (
    words_in(
        "cabinet cupboard closet freezer fridge refrigerator tank armoire schrank kast kühlschrank gefrierschrank"
    ),
    words_in("bench shelf rack regal étagère estante scaffale"),
    words_in("drawer bin box position"),
)
"""Places within a room, the coarser first."""
_CATALOGUE = words_in("catalog sku katalog katalognummer 货号 目录号 カタログ番号 카탈로그 카탈로그번호")
_HAS_UNIT = frozenset(("quantity", "quantity_on_hand", "reorder_level"))
_HAS_CURRENCY = frozenset(("unit_cost", "amount", "obligated_amount"))
_SCALED = re.compile(
    r"%|\bpercent|\bpct\b|[(\[{][^)\]}]*/[^)\]}]*[)\]}]|\b1?[ ,.']?0{3}s?\b|\bthousands?\b|\bmillions?\b|\bk\b"
    r"|[km] ?[$€£]|[$€£] ?(?:k|mm?)\b|[x×*] ?10",
    re.I,
)
"""In a heading: its numbers are shares, ratios, or must be multiplied first."""
_DOUBTFUL = 0.7
_OF_CONTAINERS = re.compile(
    r"\b(?:bottle|container|vial|can|drum|cylinder|tube|box|pack|bag|jar|ampoule|carboy)(?:s|es)?\b", re.I
)
"""In the heading of a quantity: it counts what the thing is in."""
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


def decide(header: Sequence[str], sample: Sequence[list[Cell]], feed: Feed, confirmed: Confirmed) -> Mapping:
    """How a file with this header and these rows is to be read. A few thousand rows are plenty.

    A required column that the file does not have, and that no answer could give, is left out: whoever reads the
    mapping's header tells what is missing. Raises Asked when a person must say what a column is, Unreadable when the
    file is a list of another sort, or has no headings and nothing that can be told by its values.
    """
    refuse_foreign(header, feed)
    file = _file(header, sample, confirmed)
    proposals = [_propose(file, record, confirmed) for record in _records(feed, confirmed)]
    best, equal = _best(header, feed, proposals)
    if not best.chosen and not any(text.strip() for text in header):
        raise Unreadable(
            "The file has no row of headings, and its values do not tell what the columns are.",
            "Write a heading above each column, such as Name, Location, Quantity, and send the file again.",
        )
    if not _tells(file, best):
        raise too_general(best.record, [file.header[one.position].strip() for one in best.chosen.values()])
    questions = [about_record_type([best.record, *(one.record for one in equal)])] if equal else _questions(file, best)
    mapping = _mapping(file, best, feed)
    if questions:
        raise Asked(questions, mapping)
    return mapping


def _best(header: Sequence[str], feed: Feed, proposals: Sequence["_Proposal"]) -> tuple["_Proposal", list["_Proposal"]]:
    """What the file most likely is, and what it is as likely."""
    # where items have tags, the list is one of tagged items, as for columns.record_type_of
    tagged = [one for one in proposals if one.tells_tags]
    best, *others = sorted(tagged or proposals, key=lambda one: one.worth, reverse=True)
    equal = [one for one in others if one.complete and best.complete and best.worth - one.worth < _AS_LIKELY]
    if equal:
        with suppress(Unreadable):
            read = map_columns(header, feed).record
            best, equal = next(((one, []) for one in (best, *equal) if one.record is read), (best, equal))
    return best, equal


def _records(feed: Feed, confirmed: Confirmed) -> Sequence[RecordType]:
    named = [one for one in feed.record_types if one.name == confirmed.record_type]
    return named or feed.record_types


def _tells(file: "_File", proposal: "_Proposal") -> bool:
    """Whether headings or values tell that this is such a list, and not one of people or courses that has names too."""
    telling = [one for column, one in proposal.chosen.items() if column in proposal.record.telling]
    return not telling or any(
        not one.vague or one.fit >= _TELLING_FIT or tells_of_things(normalise_header(file.header[one.position]))
        for one in telling
    )


# ---- what is known of the file


@dataclass(frozen=True)
class _File:
    header: Sequence[str]
    keys: Sequence[str]
    headings: Sequence[Heading]
    profiles: Sequence[Profile]
    settled: Map[int, str | None]
    """By position what people have said of it."""
    nameless: bool


def _file(header: Sequence[str], sample: Sequence[list[Cell]], confirmed: Confirmed) -> _File:
    keys = keys_of(header)
    looked_at = min(len(header), _MOST_PROFILED)
    profiles = [profile_of(sample, at) for at in range(looked_at)] + [_EMPTY] * (len(header) - looked_at)
    return _File(
        header=header,
        keys=keys,
        headings=taken_apart(header),
        profiles=profiles,
        settled={at: confirmed.headings[key] for at, key in enumerate(keys) if key in confirmed.headings},
        nameless=not any(text.strip() for text in header),
    )


# ---- what each column may be


@dataclass(frozen=True, slots=True)
class _Candidate:
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
    """The heading is only written like a known spelling; it may well be another word."""
    empty: bool = False
    """No row has a value here, though rows have values elsewhere."""
    order: int = 0
    fit: float = 0.0


@dataclass
class _Proposal:
    """What a file would be as a list of one record type."""

    record: RecordType
    candidates: list[_Candidate]
    chosen: dict[str, _Candidate] = field(default_factory=dict)
    ties: dict[str, list[_Candidate]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    """Columns whose values stand in another column's cells or heading."""

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


def _propose(file: _File, record: RecordType, confirmed: Confirmed) -> _Proposal:
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
    proposal = _Proposal(record, sorted(candidates, key=lambda one: one.score, reverse=True), absent=absent)
    for column, at in said.items():
        proposal.chosen[column] = _Candidate(column, at, 1.0, "confirmed", ("a person has said so",))
    _choose(proposal, file)
    _doubt_unit(proposal, file)
    _add_the_only_ones(proposal)
    proposal.given = _given(file, proposal)
    return proposal


def _candidates(
    file: _File, at: int, likes: Map[str, Like], record: RecordType, order: Map[str, int]
) -> list[_Candidate]:
    profile, heading = file.profiles[at], file.headings[at]
    fits = {column: fit(column, profile) for column in (record.columns if profile.count else likes)}
    found = [_by_heading(like, fits[column], at, file, record, order) for column, like in likes.items()]
    certain = max((one.score for one in found), default=0.0) >= SURE
    foreign = is_not_ours(heading, record)
    for column, values in fits.items():
        if column in likes or not values.alone or ((certain or foreign) and values.alone < _ALWAYS):
            continue
        score = values.alone * (_UNDER_A_HEADING if file.header[at].strip() and values.alone < _ALWAYS else 1.0)
        if column in _HAS_UNIT and file.nameless and _has_other_numbers(file, at):
            score *= _UNDER_A_HEADING  # one is how much, the other how large or how dear
        found.append(_Candidate(column, at, score, "content", (values.evidence,), fit=values.score))
    return found


def _has_other_numbers(file: _File, at: int) -> bool:
    return any(
        other != at and other not in file.settled and one.share("number", "money") >= _TELLING_FIT and not one.running
        for other, one in enumerate(file.profiles)
    )


def _by_heading(like: Like, values: Fit, at: int, file: _File, record: RecordType, order: Map[str, int]) -> _Candidate:
    evidence = [like.told(file.header[at])]
    lesser = _lesser(like.column, file.headings[at])
    score = _weighed(like, values, file.profiles[at], required=like.column in record.required)
    if like.column == record.tag_column and like.how in ("name", "synonym") and not like.vague:
        # a list of tags is never one without, however Excel has damaged them: the contract refuses its rows
        score = max(score, 0.9 * like.score)
    if like.column in _HAS_UNIT | _HAS_CURRENCY and _SCALED.search(file.header[at]):
        score = min(score, _DOUBTFUL)
        evidence.append("but its heading tells of a share, a ratio or a multiple")
    if values.evidence and values.score:
        evidence.append(values.evidence if values.score > 0 else f"but {values.evidence}")
    return _Candidate(
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
        near=like.how == "near",
        empty=not file.profiles[at].count and any(profile.count for profile in file.profiles),
        order=order.get(like.spelling, len(order)),
        fit=values.score,
    )


def _lesser(column: str, heading: Heading) -> int:
    if column in _NAMES:
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
    return column in _NAMES and _ends_in("name", heading)


def _ends_in(word: str, heading: Heading) -> bool:
    return any(form.endswith(word) for form in heading.forms)


def _weighed(like: Like, values: Fit, profile: Profile, *, required: bool) -> float:
    """How sure a heading makes us once its values are looked at."""
    if values.score >= 0:
        return like.score + (1 - like.score) * values.score * 0.6
    against = -values.score
    outright = like.how in ("name", "synonym")
    if outright and (against < 0.9 or (required and (against < 1 or profile.count < 5))):
        # a heading that says it outright is believed, and the contract judges its values, unless they are surely others
        return like.score * (1 - 0.1 * against)
    return like.score * (1 - (0.5 if required else 0.75) * against)


# ---- each column once, each heading once


def _choose(proposal: _Proposal, file: _File) -> None:
    """Take the surest candidates first. Where two come close, and neither is clearer, none is taken."""
    used = {one.position for one in proposal.chosen.values()}
    for one in proposal.candidates:
        if one.score < SURE or one.column in proposal.chosen or one.column in proposal.ties or one.position in used:
            continue
        close = [
            other
            for other in proposal.candidates
            if other is not one and other.position not in used and other.score >= one.score - MARGIN
        ]
        rivals = [other for other in close if other.column == one.column and not _has_better_use(other, close)]
        elsewhere = [other for other in close if other.position == one.position and other.column not in proposal.chosen]
        better = [other for other in rivals if not _is_clearer(one, other, file)]
        if better:
            winner = next(
                (
                    other
                    for other in better
                    if all(_is_clearer(other, o, file) for o in (one, *rivals) if o is not other)
                ),
                None,
            )
            if winner is None:
                proposal.ties[one.column] = [one, *rivals]
                continue
            one = winner
        elif elsewhere:
            proposal.ties[one.column] = [one]
            continue
        proposal.chosen[one.column] = one
        used.add(one.position)


def _doubt_unit(proposal: _Proposal, file: _File) -> None:
    """Three bottles of 500 mL may stand there as 500, mL and 3: then the unit is the size's and no quantity's."""
    unit, quantity = proposal.chosen.get("unit"), proposal.chosen.get("quantity_on_hand")
    if unit is None or quantity is None or unit.how == "confirmed":
        return
    if file.profiles[unit.position].share("measure") < _AS_LIKELY:
        return
    doubt = None
    size, heading = proposal.chosen.get("container_size"), file.headings[quantity.position]
    if size is not None and file.profiles[size.position].share("number") >= _TELLING_FIT:
        doubt = f"it may be the unit of '{file.header[size.position].strip()}', which has none of its own"
    elif (
        heading.unit is None
        and _OF_CONTAINERS.search(heading.text)
        and not carries_unit(file.profiles[quantity.position])
    ):
        doubt = f"it does not go with '{heading.text.strip()}'"
    if doubt is not None:
        del proposal.chosen["unit"]
        proposal.ties["unit"] = [replace(unit, score=_DOUBTFUL, evidence=(*unit.evidence, doubt))]


def _add_the_only_ones(proposal: _Proposal) -> None:
    """Take for an optional column the only one that may be it, if heading and values both speak for it."""
    used = {one.position for one in proposal.chosen.values()}
    for column in proposal.record.columns:
        if column not in _IMPORTANT or column in proposal.record.required:
            continue
        if column in proposal.chosen or column in proposal.ties:
            continue
        free = [one for one in proposal.candidates if one.position not in used and one.score >= _PERHAPS]
        may_be = [one for one in free if one.column == column]
        if len(may_be) != 1 or not _would_do_alone(may_be[0]):
            continue
        if any(one.position == may_be[0].position and one.column != column for one in free):
            continue
        proposal.chosen[column] = may_be[0]
        used.add(may_be[0].position)


def _would_do_alone(one: _Candidate) -> bool:
    return one.score >= _ALONE and one.how != "content" and not one.near and one.fit > 0


def _has_better_use(one: _Candidate, close: Sequence[_Candidate]) -> bool:
    return any(other.position == one.position and other.score > one.score + MARGIN for other in close)


def _is_clearer(one: _Candidate, other: _Candidate, file: _File) -> bool:
    """Whether of two columns for one the first is to be preferred."""
    counts = file.profiles[one.position].count, file.profiles[other.position].count
    if bool(counts[0]) != bool(counts[1]):
        return bool(counts[0])
    if (one.how == "likeness") != (other.how == "likeness"):
        return other.how == "likeness"
    if one.lesser != other.lesser:
        return one.lesser < other.lesser
    if abs(one.fit - other.fit) >= 0.6:
        return one.fit > other.fit
    if one.vague != other.vague:
        return other.vague
    if one.names != other.names:
        return one.names
    if one.vague and one.order != other.order:
        return one.order < other.order
    if one.exact != other.exact:
        return one.exact
    # of amounts each may be what is left
    if one.column not in _HAS_UNIT:
        if (one.how == "name") != (other.how == "name"):
            return one.how == "name"
        if one.own != other.own:
            return one.own
    return one.how != "content" and other.how == "content"


def _given(file: _File, proposal: _Proposal) -> frozenset[str]:
    """A unit stands in the heading or the cells of many a quantity; no column of its own is to be asked for then."""
    quantities = [one for column, one in proposal.chosen.items() if column in _HAS_UNIT]
    told = any(file.headings[one.position].unit or carries_unit(file.profiles[one.position]) for one in quantities)
    return frozenset(("unit",)) if told else frozenset()


# ---- what to ask


def _questions(file: _File, proposal: _Proposal) -> list[Question]:
    """At most a handful, and none that could not help."""
    lacking = [column for column in proposal.missing if column not in proposal.absent]
    open_positions = _open(file, proposal)
    asked = [_question(file, proposal, column, open_positions, required=True) for column in lacking]
    if len(lacking) > _MOST_QUESTIONS or None in asked or len(lacking) < len(proposal.missing):
        return []
    optional = [
        column
        for column in proposal.record.columns
        if column in _DECISIVE and column not in (*lacking, *proposal.chosen, *proposal.given, *proposal.absent)
    ]
    asked += [_question(file, proposal, column, open_positions, required=False) for column in optional]
    return _each_column_once([one for one in asked if one is not None])[:_MOST_QUESTIONS]


def _each_column_once(questions: Sequence[Question]) -> list[Question]:
    """Not two questions that suggest the same column of the file: the answer to one may settle the other."""
    suggested: set[int | None] = set()
    kept = []
    for one in questions:
        if one.position is None or one.position not in suggested:
            kept.append(one)
            suggested.add(one.position)
    return kept


def _open(file: _File, proposal: _Proposal) -> list[int]:
    used = {one.position for one in proposal.chosen.values()}
    return [
        at for at, profile in enumerate(file.profiles) if profile.count and at not in used and at not in file.settled
    ]


def _question(
    file: _File, proposal: _Proposal, column: str, positions: Sequence[int], *, required: bool
) -> Question | None:
    tied = sorted(
        (one for one in proposal.ties.get(column, ()) if one.position in positions), key=lambda one: one.position
    )
    least = _PERHAPS if required else _WORTH_TELLING if column in _HAS_UNIT else _LIKELY
    likely = tied or [
        one
        for one in proposal.candidates
        if one.column == column and one.position in positions and one.score >= least and (required or one.fit >= 0)
    ]
    if not likely and not required:
        return None
    first = [one.position for one in likely]
    others = _others(file, proposal, column, positions, first) if required else []
    unknown = [at for at in others if not is_not_ours(file.headings[at], proposal.record)]
    if not first and (not unknown or not _worth_a_try(proposal)):
        return None
    rivals = len(tied) if len(tied) > 1 else 1
    return about_column(
        column,
        proposal.record,
        file.header,
        file.keys,
        file.profiles,
        [*dict.fromkeys(first), *others],
        sure=likely[0].score if likely else 0.0,
        rivals=rivals,
        evidence=likely[0].evidence if likely else (),
    )


def _others(file: _File, proposal: _Proposal, column: str, positions: Sequence[int], first: Sequence[int]) -> list[int]:
    """Columns that may be the one in question for all that their headings tell, the likeliest first."""
    surely = {one.position for one in proposal.candidates if one.column != column and one.score >= SURE}
    fits = {at: fit(column, file.profiles[at]) for at in positions if at not in first and at not in surely}
    known = {at: is_not_ours(file.headings[at], proposal.record) for at in fits}
    could_be = [at for at, values in fits.items() if values.score > 0 or (values.score == 0 and not known[at])]
    return sorted(could_be, key=lambda at: (known[at], -fits[at].alone, -fits[at].score))


def _worth_a_try(proposal: _Proposal) -> bool:
    """Whether most of what is required is there, so that a column more may make the file what it is taken for."""
    return 2 * len(proposal.missing) <= len(proposal.record.required) or len(proposal.chosen) >= 3


# ---- the mapping


def _mapping(file: _File, proposal: _Proposal, feed: Feed) -> Mapping:
    chosen = sorted(proposal.chosen.values(), key=lambda one: one.position)
    assigned = tuple(
        Assigned(
            column=one.column,
            position=one.position,
            heading=file.header[one.position],
            how=one.how,
            confidence=round(one.score, 2),
            evidence=one.evidence,
            unit=file.headings[one.position].unit if one.column in _HAS_UNIT | _HAS_CURRENCY else None,
        )
        for one in chosen
    )
    positions = {one.column: one.position for one in chosen}
    header = _reheaded(file.header, positions, proposal, feed)
    return Mapping(proposal.record.name, assigned, tuple(header), _notes(file, proposal))


def _notes(file: _File, proposal: _Proposal) -> tuple[str, ...]:
    """What was not taken for what its heading says, and what may be a column that was not found."""
    used = {one.position for one in proposal.chosen.values()}
    refuted = [
        f'"{file.header[one.position].strip()}" was not taken as {one.column}: {"; ".join(one.evidence)}. '
        "Its values are kept with each row."
        for one in proposal.candidates
        if one.how in ("name", "synonym") and one.position not in used and one.fit <= -0.5 and one.score < SURE
    ]
    return (*refuted, *_unread(file, proposal, used))


def _unread(file: _File, proposal: _Proposal, used: set[int]) -> Iterator[str]:
    """The optional columns that are not read because none of the file's is surely it."""
    for column in proposal.record.columns:
        if column not in _IMPORTANT or column in (*proposal.chosen, *proposal.given, *proposal.absent):
            continue
        if column in proposal.record.required:
            continue
        may_be = [
            one
            for one in proposal.ties.get(column) or proposal.candidates
            if one.column == column and one.position not in used and one.score >= _WORTH_TELLING and one.fit >= 0
        ]
        if may_be:
            shown = list(dict.fromkeys(_called(file.header[one.position], one.position) for one in may_be))
            yield (
                f"It is not certain which column tells {phrase_of(column, proposal.record)}: it may be "
                f"{' or '.join(shown[:_MOST_TOLD])}. It was not read as such; its values are kept with each row. "
                f'To have it read, name its heading "{column}".'
            )


def _called(heading: str, position: int) -> str:
    return f'"{heading.strip()}"' if heading.strip() else f"column {column_letters(position)}"


def _reheaded(header: Sequence[str], positions: Map[str, int], proposal: _Proposal, feed: Feed) -> list[str]:
    """The header in which the contract finds just these columns, changed as little as that needs."""
    record = proposal.record
    columns = {at: column for column, at in positions.items()}
    own = [
        columns[at] if at in columns and record.aliases.get(normalise_header(text)) != columns[at] else text
        for at, text in enumerate(header)
    ]
    if _reads_so(own, positions, proposal, feed):
        return own
    alone = [
        text if at in columns or normalise_header(text) not in record.aliases else f"{text.strip()} (as sent)"
        for at, text in enumerate(own)
    ]
    if _reads_so(alone, positions, proposal, feed):
        return alone
    return [
        columns[at]
        if at in columns
        else f"{text.strip()} (as sent)"
        if normalise_header(text) in feed.aliases
        else text
        for at, text in enumerate(header)
    ]


def _reads_so(header: Sequence[str], positions: Map[str, int], proposal: _Proposal, feed: Feed) -> bool:
    try:
        if all(column in positions for column in proposal.record.required):
            read = map_columns(header, feed)
            return read.record is proposal.record and read.positions == positions
        return located_columns(header, proposal.record).positions == positions
    except Unreadable:
        return False
