"""How well labelled headers are mapped. `python -m hub_pipelines_tests.bench.mapping` tells it case by case."""

from itertools import chain

import pytest

from hub_pipelines.mapping.model import Mapping
from hub_pipelines.validate.columns import map_columns
from hub_pipelines_tests.headings import Judged, cases, figures, judged, table

WHICH = ("tuned", "held_out", "found", "real", "trial", "later", "plain")


@pytest.fixture(scope="module")
def all_judged() -> dict[str, list[Judged]]:
    return {which: [judged(case) for case in cases(which)] for which in WHICH}


def test_there_are_enough_headers_to_judge_by(all_judged: dict[str, list[Judged]]) -> None:
    assert len(all_judged["tuned"]) >= 40
    assert len(all_judged["held_out"]) >= 15
    assert all(one.case.rows for one in chain(*all_judged.values()))


def test_what_is_mapped_without_asking_is_right_and_little_is_left_out(all_judged: dict[str, list[Judged]]) -> None:
    told = "\n".join(chain.from_iterable(table(found, why=True) for found in all_judged.values()))
    of = figures(chain(*all_judged.values()))
    assert of.precision >= 0.98, told
    assert of.recall >= 0.85, told


@pytest.mark.parametrize("which", WHICH)
def test_no_set_of_headers_is_mapped_much_worse_than_the_others(
    all_judged: dict[str, list[Judged]], which: str
) -> None:
    of = figures(all_judged[which])
    assert of.precision >= 0.95, which
    assert of.recall >= 0.85, which


def test_the_header_that_the_contract_sees_says_what_was_decided(all_judged: dict[str, list[Judged]]) -> None:
    complete = [one for one in chain(*all_judged.values()) if one.mapping and not one.questions and _complete(one)]
    assert len(complete) > 60
    for one in complete:
        assert one.mapping is not None
        read = map_columns(one.mapping.header, one.case.feed)
        assert (read.record.name, read.positions) == (one.mapping.record_type, one.mapping.positions), one.case.name


def test_a_file_is_asked_at_most_a_handful(all_judged: dict[str, list[Judged]]) -> None:
    judged = list(chain(*all_judged.values()))
    assert max(len(one.questions) for one in judged) <= 5
    # a list that no person could map is asked about or refused
    asked = [bool(one.questions) for one in judged if one.case.right]
    assert sum(asked) <= 0.1 * len(asked)


def test_decisions_and_questions_survive_being_written_down(all_judged: dict[str, list[Judged]]) -> None:
    for one in chain(*all_judged.values()):
        if one.mapping:
            assert Mapping.from_document(one.mapping.document()) == one.mapping


def _complete(one: Judged) -> bool:
    assert one.mapping is not None
    record = one.case.feed.record_type(one.mapping.record_type)
    return set(record.required) <= set(one.mapping.positions)
