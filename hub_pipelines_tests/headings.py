"""The labelled headings of data/headings_*.txt, and how a mapping of them is judged.

Belongs here: reading the cases, counting right and wrong. Used by tests and by bench/mapping.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.model import Asked, Confirmed, Mapping, Question
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell, Feed, RecordType, Unreadable

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Case:
    """One file's headings and rows. `right` are the columns that a person maps, `allowed` those that may be mapped."""

    name: str
    feed: Feed
    record: RecordType
    header: list[str]
    rows: list[list[Cell]]
    right: dict[int, str]
    allowed: dict[int, str]


@dataclass(frozen=True)
class Judged:
    """What came of one case. A question's column counts neither as right nor as wrong."""

    case: Case
    mapping: Mapping | None
    questions: tuple[Question, ...]
    refused: str = ""

    @property
    def made(self) -> dict[int, str]:
        return {one.position: one.column for one in self.mapping.assigned} if self.mapping else {}

    @property
    def of_right_type(self) -> bool:
        return self.mapping is not None and self.mapping.record_type == self.case.record.name

    @property
    def correct(self) -> set[int]:
        return {at for at, column in self.made.items() if self.of_right_type and self.case.right.get(at) == column}

    @property
    def wrong(self) -> dict[int, str]:
        fine = self.correct | {at for at, column in self.made.items() if self.case.allowed.get(at) == column}
        return {at: column for at, column in self.made.items() if not self.of_right_type or at not in fine}

    @property
    def left_out(self) -> dict[int, str]:
        return {at: column for at, column in self.case.right.items() if at not in self.correct}


@dataclass(frozen=True)
class Figures:
    mapped: int
    wrong: int
    expected: int
    correct: int

    @property
    def precision(self) -> float:
        return 1 - self.wrong / self.mapped

    @property
    def recall(self) -> float:
        return self.correct / self.expected


def cases(which: str) -> list[Case]:
    """The cases of data/headings_<which>.txt."""
    text = (_DATA / f"headings_{which}.txt").read_text(encoding="utf-8")
    blocks = (block.strip("\n") for block in text.split("\n\n"))
    return [_case(block.splitlines()) for block in blocks if block.startswith("@")]


def _case(lines: list[str]) -> Case:
    name, feed_name, record_type = (part.strip() for part in lines[0].removeprefix("@").split(";"))
    feed = FEEDS[feed_name]
    record = feed.record_type(record_type)
    header, right, allowed = [], {}, {}
    for at, text in enumerate(lines[1].split("|")):
        heading, _, label = text.partition("::")
        header.append(heading)
        column = label.removeprefix("?")
        if column in record.columns:
            (allowed if label.startswith("?") else right)[at] = column
    rows: list[list[Cell]] = [[cell or None for cell in line.split("|")] for line in lines[2:]]
    return Case(name, feed, record, header, rows, right, allowed)


def judged(case: Case) -> Judged:
    try:
        return Judged(case, decide(case.header, case.rows, case.feed, Confirmed()), ())
    except Asked as asked:
        return Judged(case, asked.mapping, asked.questions)
    except Unreadable as refused:
        return Judged(case, None, (), refused.reason)


def figures(all_judged: Iterable[Judged]) -> Figures:
    each = list(all_judged)
    return Figures(
        mapped=sum(len(one.made) for one in each),
        wrong=sum(len(one.wrong) for one in each),
        expected=sum(len(one.case.right) for one in each),
        correct=sum(len(one.correct) for one in each),
    )


def table(all_judged: Iterable[Judged], *, why: bool = False) -> Iterator[str]:
    """A line for each case, and with `why` what was not as a person would do it."""
    for one in all_judged:
        right = f"{len(one.correct)}/{len(one.case.right)}"
        kind = one.mapping.record_type if one.mapping else "refused"
        yield f"{one.case.name[:44]:<44} {kind:<24} {right:>6} {len(one.wrong):>5} wrong {len(one.questions):>3} asked"
        if why:
            yield from (f"    wrong: {one.case.header[at]!r} -> {column}" for at, column in one.wrong.items())
            yield from (f"    left:  {one.case.header[at]!r} is {column}" for at, column in one.left_out.items())
            yield from (f"    asked: {question.text}" for question in one.questions)
            yield from ([f"    refused: {one.refused}"] if one.refused else [])
