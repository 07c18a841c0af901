"""What a person is asked about a file's columns, when it is not sure what they are and the answer would help.

Belongs here: what is worth a question. Not here: its sentences (asking), what is sure (choosing). Pure.
"""

from collections.abc import Sequence

from hub_pipelines.mapping.asking import about_column
from hub_pipelines.mapping.choosing import PERHAPS
from hub_pipelines.mapping.content import words_in
from hub_pipelines.mapping.fits import fit
from hub_pipelines.mapping.likeness import is_not_ours
from hub_pipelines.mapping.model import Question
from hub_pipelines.mapping.proposing import HAS_UNIT, SURE, File, Proposal
from hub_pipelines.validate.columns import is_vague, normalise_header

# from here on a column that may be an optional one is worth a question, if that one decides what a line is
_LIKELY = 0.7
WORTH_TELLING = 0.6
"""From here on it is worth one if it may tell how much there is; of others it is told that they are not read."""
_MOST_QUESTIONS = 5
_DECISIVE = words_in("location quantity quantity_on_hand waste_codes un_number amount")
"""Of the important ones (choosing), those that a file is held for: where and how much there is, what a law asks for,
sums of money."""


def questions_about(file: File, proposal: Proposal) -> list[Question]:
    """At most a handful, and none that could not help."""
    lacking = [column for column in proposal.missing if column not in proposal.absent]
    open_positions = _open(file, proposal)
    asked = [_question(file, proposal, column, open_positions, required=True) for column in lacking]
    if len(lacking) > _MOST_QUESTIONS or None in asked or len(lacking) < len(proposal.missing):
        return []
    optional = [
        column
        for column in proposal.record.columns
        if (column in _DECISIVE or column in proposal.left)
        and column not in (*lacking, *proposal.chosen, *proposal.given, *proposal.absent)
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


def _open(file: File, proposal: Proposal) -> list[int]:
    used = {one.position for one in proposal.chosen.values()}
    return [
        at for at, profile in enumerate(file.profiles) if profile.count and at not in used and at not in file.settled
    ]


def _question(
    file: File, proposal: Proposal, column: str, positions: Sequence[int], *, required: bool
) -> Question | None:
    tied = sorted(
        (one for one in proposal.ties.get(column, ()) if one.position in positions), key=lambda one: one.position
    )
    least = PERHAPS if required else WORTH_TELLING if column in HAS_UNIT else _LIKELY
    likely = tied or [
        one
        for one in proposal.candidates
        if one.column == column and one.position in positions and one.score >= least and (required or one.fit >= 0)
    ]
    if not likely and not required:
        return None
    first = [one.position for one in likely]
    others = _others(file, proposal, column, positions, first) if required else []
    unknown = [at for at in others if not _is_known(file, proposal, column, at)]
    # where it is all that is required, a column that other lists call so may be it as well: `Item` may be a number, and
    # `Type` what it is
    may_be = others if len(proposal.record.required) == 1 else unknown
    if not first and (not may_be or not _worth_a_try(proposal)):
        return None
    rivals = len(tied) if len(tied) > 1 else 1
    return about_column(
        column,
        proposal.record,
        file.header,
        file.keys,
        file.profiles,
        [*dict.fromkeys(first), *others],
        file.place,
        sure=likely[0].score if likely else 0.0,
        rivals=rivals,
        evidence=likely[0].evidence if likely else (),
    )


def _others(file: File, proposal: Proposal, column: str, positions: Sequence[int], first: Sequence[int]) -> list[int]:
    """Columns that may be the one in question for all that their headings tell, the likeliest first."""
    surely = {one.position for one in proposal.candidates if one.column != column and one.score >= SURE}
    fits = {at: fit(column, file.profiles[at]) for at in positions if at not in first and at not in surely}
    known = {at: _is_known(file, proposal, column, at) for at in fits}
    could_be = [at for at, values in fits.items() if values.score > 0 or (values.score == 0 and not known[at])]
    return sorted(could_be, key=lambda at: (known[at], -fits[at].alone, -fits[at].score))


def _is_known(file: File, proposal: Proposal, column: str, position: int) -> bool:
    """Whether a heading is known for something else. Numbers under a bare ID may be the tags all the same."""
    may_be_tags = column == proposal.record.tag_column and is_vague(normalise_header(file.header[position]))
    return is_not_ours(file.headings[position], proposal.record) and not may_be_tags


def _worth_a_try(proposal: Proposal) -> bool:
    """Whether enough is there that a column more may make the file what it is taken for."""
    enough = 2 if len(proposal.missing) == 1 else 3
    return 2 * len(proposal.missing) <= len(proposal.record.required) or len(proposal.chosen) >= enough
