import pyarrow
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.common.columns import places_in

_TEXTS = st.lists(st.none() | st.text(max_size=4), max_size=12)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.sets(st.text(max_size=4), max_size=12), _TEXTS)
def test_texts_are_found_among_others_in_order_as_in_a_dictionary(known: set[str], asked: list[str | None]) -> None:
    ordered = sorted(known, key=str.encode)
    places = {text: at for at, text in enumerate(ordered)}
    some = pyarrow.array(["x", *asked, "y"], pyarrow.string()).slice(1, len(asked))
    found = places_in(pyarrow.array(["", *ordered, "z"], pyarrow.string()).slice(1, len(ordered)), some)
    assert found.to_pylist() == [None if text is None else places.get(text) for text in asked]
