"""Which column of a file is which column of the contract, or what must be asked to know it.

Belongs here: the choice of the record type, and the mapping that comes of it. Not here: what each column may be
(proposing) and is taken for (choosing), what is worth a question (questioning), what people have said (store). Pure.
"""

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Mapping as Map
from contextlib import suppress

from hub_pipelines.mapping.asking import about_record_type, phrase_of
from hub_pipelines.mapping.choosing import IMPORTANT, choose
from hub_pipelines.mapping.model import Asked, Assigned, Confirmed, Mapping
from hub_pipelines.mapping.proposing import (
    HAS_CURRENCY,
    HAS_UNIT,
    SURE,
    TELLING_FIT,
    Candidate,
    File,
    Proposal,
    file_of,
    propose,
)
from hub_pipelines.mapping.questioning import WORTH_TELLING, questions_about
from hub_pipelines.mapping.spellings import NAMES_ONLY
from hub_pipelines.validate.columns import (
    located_columns,
    map_columns,
    normalise_header,
    refuse_foreign,
    tells_of_things,
    too_general,
)
from hub_pipelines.validate.model import Cell, Feed, Part, RecordType, Unreadable

_AS_LIKELY = 0.5
"""Two record types are as likely as each other if one is worth no more than this above the other."""
_MOST_TOLD = 4
_NOTHING_BEFORE: Map[str, Map[str, int]] = {}


def decide(
    header: Sequence[str],
    sample: Sequence[list[Cell]],
    feed: Feed,
    confirmed: Confirmed,
    parts: Sequence[Part] = (),
    before: Map[str, Map[str, int]] = _NOTHING_BEFORE,
    tags: Collection[str] = (),
) -> Mapping:
    """How a file with this header and these rows is to be read. A few thousand rows are plenty; `parts` tell where its
    columns stand in Excel, `before` which of them named the rows in the source's earlier files (earlier.named_before),
    `tags` which of its values the procurement list has as tags (content.tags_perhaps).

    A required column that the file does not have, and that no answer could give, is left out: whoever reads the
    mapping's header tells what is missing. Raises Asked when a person must say what a column is, Unreadable when the
    file is a list of another sort, or has no headings and nothing that can be told by its values.
    """
    refuse_foreign(header, feed)
    file = file_of(header, sample, confirmed, parts, tags)
    proposals = [
        choose(propose(file, record, confirmed, before.get(record.name, {})), file)
        for record in _records(feed, confirmed)
    ]
    best, equal = _best(header, feed, proposals)
    if not best.chosen and not any(text.strip() for text in header):
        raise Unreadable(
            "The file has no row of headings, and its values do not tell what the columns are.",
            "Write a heading above each column, such as Name, Location, Quantity, and send the file again.",
        )
    if not _tells(file, best) and not _doubt_name(file, best):
        known = sorted(one.position for one in best.chosen.values())
        raise too_general(best.record, [file.header[at].strip() for at in known])
    questions = (
        [about_record_type([best.record, *(one.record for one in equal)])] if equal else questions_about(file, best)
    )
    mapping = _mapping(file, best, feed)
    if questions:
        raise Asked(questions, mapping)
    return mapping


def _best(header: Sequence[str], feed: Feed, proposals: Sequence[Proposal]) -> tuple[Proposal, list[Proposal]]:
    """What the file most likely is, and what it is as likely."""
    # where items have tags, the list is one of tagged items, as for columns.record_type_of
    tagged = [one for one in proposals if one.tells_tags] or [one for one in proposals if _lacks_a_tag(one, feed)]
    best, *others = sorted(tagged or proposals, key=lambda one: one.worth, reverse=True)
    equal = [one for one in others if one.complete and best.complete and best.worth - one.worth < _AS_LIKELY]
    if equal:
        with suppress(Unreadable):
            read = map_columns(header, feed).record
            best, equal = next(((one, []) for one in (best, *equal) if one.record is read), (best, equal))
    return best, equal


def _lacks_a_tag(proposal: Proposal, feed: Feed) -> bool:
    """Whether nothing but the tag is missing of what only such a list has: the day of a calibration and its result. As
    a list of another sort its days would be misread; which column is the tag can be asked."""
    record = proposal.record
    elsewhere = {column for other in feed.lists if other is not record for column in other.columns}
    only_here = [column for column in record.required if column not in elsewhere]
    told = [one for column in only_here if (one := proposal.chosen.get(column)) and not one.vague and not one.empty]
    return proposal.missing == [record.tag_column] and len(told) == len(only_here) > 1


def _records(feed: Feed, confirmed: Confirmed) -> Sequence[RecordType]:
    named = [one for one in feed.lists if one.name == confirmed.record_type]
    return named or feed.lists


def _tells(file: File, proposal: Proposal) -> bool:
    """Whether headings or values tell that this is such a list, and not one of people or courses that has names too."""
    telling = [one for column, one in proposal.chosen.items() if column in proposal.record.telling]
    return not telling or any(
        not one.vague or one.fit >= TELLING_FIT or tells_of_things(normalise_header(file.header[one.position]))
        for one in telling
    )


def _doubt_name(file: File, proposal: Proposal) -> bool:
    """Whether a bare Name is worth a question, which is left open then: the list may be one of things, and only its
    sender knows. A list with e-mail addresses is one of people."""
    name = proposal.chosen.get("item_name")
    if name is None or name.fit <= 0 or normalise_header(file.header[name.position]) not in {"name", *NAMES_ONLY}:
        return False
    if any(one.share("email") >= TELLING_FIT for one in file.profiles):
        return False
    del proposal.chosen["item_name"]
    proposal.ties["item_name"] = [name]
    return True


# ---- the mapping


def _mapping(file: File, proposal: Proposal, feed: Feed) -> Mapping:
    chosen = sorted(proposal.chosen.values(), key=lambda one: one.position)
    assigned = tuple(
        Assigned(
            column=one.column,
            position=one.position,
            heading=file.header[one.position],
            how=one.how,
            confidence=round(one.score, 2),
            evidence=one.evidence,
            unit=file.headings[one.position].unit if one.column in HAS_UNIT | HAS_CURRENCY else None,
        )
        for one in chosen
    )
    positions = {one.column: one.position for one in chosen}
    header = _reheaded(file.header, positions, proposal, feed)
    return Mapping(proposal.record.name, assigned, tuple(header), _notes(file, proposal))


def _notes(file: File, proposal: Proposal) -> tuple[str, ...]:
    """What was not taken for what its heading says, and what may be a column that was not found."""
    used = {one.position for one in proposal.chosen.values()}
    refuted = [
        f'"{file.header[one.position].strip()}" was not taken as {one.column}: {"; ".join(_against(one))}. '
        "Its values are kept with each row."
        for one in proposal.candidates
        if one.how in ("name", "synonym") and one.position not in used and one.fit <= -0.5 and one.score < SURE
    ]
    return (*refuted, *_unread(file, proposal, used), *_without_heading(file, proposal, used))


def _against(one: Candidate) -> list[str]:
    """What speaks against it, alone: nobody need be told why it might have been it."""
    return [told.removeprefix("but ") for told in one.evidence if told.startswith("but ")] or list(one.evidence)


def _without_heading(file: File, proposal: Proposal, used: set[int]) -> Iterator[str]:
    """Columns without a heading among others that have one. Before a name it may be the first part of it: 1,2- stands
    apart from dichloroethane in more than one list."""
    if file.nameless:
        return
    name = proposal.chosen.get("item_name")
    lacking = [
        at
        for at, profile in enumerate(file.profiles)
        if profile.count and not file.header[at].strip() and not _counts_on(profile.examples)
    ]
    for at in [at for at in lacking if at not in used and at not in file.settled][:_MOST_TOLD]:
        told = f"Column {file.place(at)} has no heading (for example: {', '.join(file.profiles[at].examples)}). "
        told += "Its values are kept with each row. "
        if name is not None and at + 1 == name.position:
            yield f"{told}If they are the beginning of what stands in the next column, write both into one cell."
        else:
            yield f"{told}To have them read, write a heading above them."


def _counts_on(examples: Sequence[str]) -> bool:
    """Whether a column numbers its rows: 1, 2, 3."""
    numbers = [int(one) for one in examples if one.isdecimal()]
    return len(numbers) == len(examples) > 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _unread(file: File, proposal: Proposal, used: set[int]) -> Iterator[str]:
    """The optional columns that are not read because none of the file's is surely it."""
    for column in proposal.record.columns:
        if column not in IMPORTANT or column in (*proposal.chosen, *proposal.given, *proposal.absent):
            continue
        if column in proposal.record.required:
            continue
        may_be = [
            one
            for one in proposal.ties.get(column) or proposal.candidates
            if one.column == column and one.position not in used and one.score >= WORTH_TELLING and one.fit >= 0
        ]
        if may_be:
            shown = list(dict.fromkeys(_called(file.header[one.position], file.place(one.position)) for one in may_be))
            yield (
                f"It is not certain which column tells {phrase_of(column, proposal.record)}: it may be "
                f"{' or '.join(shown[:_MOST_TOLD])}. It was not read as such; its values are kept with each row. "
                f'To have it read, name its heading "{column}".'
            )


def _called(heading: str, place: str) -> str:
    return f'"{heading.strip()}" (column {place})' if heading.strip() else f"column {place}"


def _reheaded(header: Sequence[str], positions: Map[str, int], proposal: Proposal, feed: Feed) -> list[str]:
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


def _reads_so(header: Sequence[str], positions: Map[str, int], proposal: Proposal, feed: Feed) -> bool:
    try:
        if all(column in positions for column in proposal.record.required):
            read = map_columns(header, feed)
            return read.record is proposal.record and read.positions == positions
        return located_columns(header, proposal.record).positions == positions
    except Unreadable:
        return False
