"""Which row takes a key: by its place in the registry or by its text, the first row does."""

import numpy
import pyarrow
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.common.columns import places_in
from hub_pipelines.validate.bulk.keys import Keys
from hub_pipelines.validate.bulk.tags import Places
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.judged import JudgedRow

RECORD = FEEDS["inventory"].record_types[0]
LISTED = [f"NC-{number}" for number in range(6)]
REGISTERED_SINCE = ["NA-7", "NC-31", "NZ-1"]

_rows = st.lists(
    st.tuples(st.sampled_from([*LISTED, *REGISTERED_SINCE]), st.sampled_from(["at once", "singly", "bad"]))
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(_rows, max_size=4))
def test_keys_are_taken_alike_by_their_place_and_by_their_text(batches: list[list[tuple[str, str]]]) -> None:
    by_text, by_place = Keys(RECORD), Keys(RECORD)
    ordered = pyarrow.array(LISTED)
    takers: dict[str, int] = {}
    number = 1
    for batch in batches:
        numbers = numpy.arange(number, number + len(batch))
        number += len(batch)
        at_once = numpy.array([how == "at once" for _, how in batch], bool)
        # of a row that is judged by itself the column need not have the value
        tags = pyarrow.array([tag if how == "at once" else None for tag, how in batch], pyarrow.string())
        judged = {
            at: JudgedRow(int(numbers[at]), key=tag, values={} if how == "singly" else None)
            for at, (tag, how) in enumerate(batch)
            if how != "at once"
        }
        taken = by_text.take({"asset_tag": tags}, at_once, judged, numbers)
        placed = by_place.take({"asset_tag": tags}, at_once, judged, numbers, Places(ordered, places_in(ordered, tags)))
        expected = [
            takers.setdefault(tag, int(no)) if how != "bad" else 0
            for (tag, how), no in zip(batch, numbers, strict=True)
        ]
        assert taken.by.tolist() == placed.by.tolist() == expected
        assert taken.again.tolist() == placed.again.tolist()
        assert taken.keys == placed.keys
        assert by_text.holders([*LISTED, *REGISTERED_SINCE]) == by_place.holders([*LISTED, *REGISTERED_SINCE]) == takers
