"""What the tests of deciding and of its questions share."""

import pytest

from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.model import Asked, Assigned, Confirmed, Mapping, Question
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell, Feed

INVENTORY = FEEDS["inventory"]
NOBODY = Confirmed()
CHEMICALS = ("Acetone", "67-64-1", "Toluene", "108-88-3", "Urea", "57-13-6", "Phenol", "108-95-2")


def rows(*lines: str) -> list[list[Cell]]:
    return [[cell or None for cell in line.split("|")] for line in lines]


def mapped(header: str, *lines: str, feed: Feed = INVENTORY, confirmed: Confirmed = NOBODY) -> Mapping:
    return decide(header.split("|"), rows(*lines), feed, confirmed)


def asked(header: str, *lines: str, feed: Feed = INVENTORY, confirmed: Confirmed = NOBODY) -> tuple[Question, ...]:
    with pytest.raises(Asked) as raised:
        mapped(header, *lines, feed=feed, confirmed=confirmed)
    return raised.value.questions


def of(mapping: Mapping, column: str) -> Assigned:
    (found,) = [one for one in mapping.assigned if one.column == column]
    return found


LIES = ("CD14 MicroBeads|130-050-201|Fridge 2", "LS Columns|130-042-401|Shelf 4", "Pan T kit|130-096-535|Fridge 2")
