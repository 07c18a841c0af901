"""A text file is read block by block: where a block ends changes nothing of how its lines are cut."""

import csv
import io
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.parsing import text
from hub_pipelines.validate.parsing.encodings import Encoding
from hub_pipelines.validate.parsing.refusal import Refusal
from hub_pipelines.validate.parsing.source import Source


def records(content: str) -> list[tuple[int, list[object]]] | str:
    with tempfile.TemporaryFile() as file:
        file.write(content.encode())
        file.flush()
        grid = text.TextGrid(
            Source(file.fileno()), Encoding("utf-8", "valid UTF-8"), text.Dialect(","), alive=lambda: None
        )
        try:
            return list(grid.rows())
        except Refusal as refusal:
            return refusal.reason


@settings(max_examples=300, deadline=None)
@given(
    content=st.text(st.sampled_from('ab,"\r\n\u2028é'), max_size=40),
    block=st.integers(1, 7),
)
def test_records_are_those_of_the_csv_module_wherever_a_block_ends(content: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_BLOCK_CHARACTERS", block)
        found = records(content)
    assert found == records(content)
    if isinstance(found, str):
        return
    cut = enumerate(csv.reader(io.StringIO(content, newline="")), start=1)
    assert found == [(number, cells) for number, cells in cut if any(cell.strip() for cell in cells)]
