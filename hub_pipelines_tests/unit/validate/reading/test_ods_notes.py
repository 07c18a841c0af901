"""A document that tells nothing beside its cells is told by its bytes, with the same outcome as by its elements."""

import tempfile
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_pipelines.validate.parsing import ods_notes as looking
from hub_pipelines.validate.parsing.notes import SheetNotes

from .files import ods

CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
PIECES = st.sampled_from(
    [
        CELL.format("Acetone"),
        CELL.format("Error"),
        CELL.format("a > b"),
        CELL.format("&#65;"),
        CELL.format("&lt;"),
        CELL.format("&unknown;"),
        CELL.format("<!-- :visibility -->"),
        CELL.format('"error"'),
        '<table:table-cell table:number-columns-repeated="3"/>',
        "<table:table-cell table:number-columns-repeated='3'/>",
        '<table:table-cell table:number-columns-repeated="x"/>',
        '<table:table-cell table:number-columns-repeated=" 2"/>',
        '<table:table-cell table:number-rows-spanned="2" office:value-type="string"/>',
        '<table:table-cell calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell>',
        "<table:table-cell calcext:value-type = 'error'/>",
        '<table:table-cell table:formula="of:=1+1"/>',
        "</table:table-row><table:table-row>",
        '</table:table-row><table:table-row table:visibility="collapse">',
        '</table:table-row><table:table-row table:number-rows-repeated="2">',
        '<other:cell table:visibility="filter"/>',
        "<table:table-cell>",
        "</text:p>",
        "&",
    ]
)


def outcome(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            found = looking.ods_notes(archive, lambda: None)
    except (ElementTree.ParseError, ValueError) as error:
        return type(error), str(error)
    return {name: notes for name, notes in found.items() if notes != SheetNotes()}


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(PIECES, max_size=12), block=st.sampled_from([1, 7, 40, 256 * 1024]))
def test_the_outcome_is_that_of_a_look_at_each_element(pieces: list[str], block: int) -> None:
    table = f'<table:table table:name="S"><table:table-row>{"".join(pieces)}</table:table-row></table:table>'
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = ods(Path(folder), table)
        patch.setattr(looking, "_BLOCK", block)
        quick = outcome(path)
        patch.setattr(looking, "_may_tell", lambda *_: True)
        assert quick == outcome(path)


def test_a_usual_document_needs_no_look_at_its_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_Reading", None)
    rows = f"<table:table-row>{CELL.format('Flask') * 5}</table:table-row>" * 5_000
    repeated = '<table:table-row table:number-rows-repeated="1048"><table:table-cell/></table:table-row>'
    assert outcome(ods(tmp_path, f'<table:table table:name="S">{rows}{repeated}</table:table>')) == {}
