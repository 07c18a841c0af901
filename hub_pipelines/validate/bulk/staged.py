"""Rows as they are staged, byte for byte as single rows would be: canonical JSON made column by column."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.validate.model import Verdict
from hub_pipelines.validate.staging import problems_json, problems_of, row_of, staged_schema

if TYPE_CHECKING:
    import numpy
    import pyarrow

_CONTROL = r"[\x00-\x1f]"


BEHIND_VALUE = '"}]'
"""The end of a list of one problem in canonical JSON: its value comes last."""


def staged_rows(
    numbers: Sequence[int],
    at_once: "numpy.ndarray[Any, Any]",
    keys: Any,
    texts: Any,
    problems: Any,
    verdicts: Sequence[Verdict],
) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import compute

    rest = pyarrow.array(~at_once)
    rows = [row_of(one) for one in verdicts]

    def merged(column: Any, own: Sequence[str | None]) -> Any:
        return compute.replace_with_mask(column, rest, pyarrow.array(own, pyarrow.string()))

    told = pyarrow.repeat("[]", len(numbers)) if problems is None else compute.fill_null(problems, "[]")
    return pyarrow.Table.from_arrays(
        [
            pyarrow.array(numbers, pyarrow.int64()),
            merged(pyarrow.repeat("accepted", len(numbers)), [row.verdict for row in rows]),
            merged(keys, [row.key for row in rows]),
            merged(texts, [row.values for row in rows]),
            merged(told, [problems_json(problems_of(one)) for one in verdicts]),
        ],
        schema=staged_schema(),
    )


def json_of(
    values: dict[str, Any],
    others: dict[str, Any],
    beside: Sequence[str | None],
    at_once: "numpy.ndarray[Any, Any]",
    added: Collection[str],
) -> Any:
    """As canonical_text of each row's values; of rows that are not judged at once it means nothing. `others` are
    columns that the contract does not know; `beside` is Batch.others, of tables that have no such columns."""
    from pyarrow import compute

    pieces = {name: _piece(name, column, at_once, "" if name in added else f",{_quoted(name)}:null")
              for name, column in values.items()}  # fmt: skip
    if others:
        pieces["other"] = [_other(others, at_once)]
    elif any(beside):
        pieces["other"] = [_beside(beside)]
    parts: list[Any] = []
    for part in (part for name in sorted(pieces) for part in pieces[name]):
        if parts and isinstance(part, str) and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    # the first comma opens the object; where the first member may be missing it is found in the texts
    is_sure = isinstance(parts[0], str) and parts[0].startswith(",")
    if is_sure:
        parts[0] = "{" + parts[0][1:]
    whole = compute.binary_join_element_wise(*_broadcast([*parts, "}"], len(at_once)), "")
    return whole if is_sure else compute.utf8_replace_slice(whole, 0, 1, "{")


def _broadcast(parts: list[Any], count: int) -> list[Any]:
    import pyarrow

    if any(not isinstance(part, str) for part in parts):
        return parts
    return [pyarrow.repeat("".join(parts), count)]


def _piece(name: str, column: Any, at_once: "numpy.ndarray[Any, Any]", nothing: str) -> list[Any]:
    """A member of the object behind a comma; `nothing` stands for null."""
    from pyarrow import compute

    front = f',{_quoted(name)}:"'
    empty = compute.is_null(column).to_numpy(zero_copy_only=False) & at_once
    if not empty.any():
        return [front, escaped(compute.fill_null(column, "")), '"']
    if column.null_count == len(column):
        return [nothing]
    return [compute.fill_null(compute.binary_join_element_wise(front, escaped(column), '"', ""), nothing)]


def _other(others: dict[str, Any], at_once: "numpy.ndarray[Any, Any]") -> Any:
    import pyarrow
    from pyarrow import compute

    pieces = [part for name in sorted(others) for part in _piece(name, others[name], at_once, "")]
    inner = compute.binary_join_element_wise(*_broadcast(pieces, len(at_once)), "")
    inner = compute.utf8_replace_slice(inner, 0, 1, "{")
    return compute.if_else(
        compute.equal(inner, "{"), "", compute.binary_join_element_wise(pyarrow.scalar(',"other":'), inner, "}", "")
    )


def _beside(texts: Sequence[str | None]) -> Any:
    import pyarrow
    from pyarrow import compute

    front = pyarrow.scalar(',"other":')
    return compute.fill_null(compute.binary_join_element_wise(front, pyarrow.array(texts, pyarrow.string()), ""), "")


def _quoted(text: str) -> str:
    return canonical_text(text)


def _is_plain(texts: Any) -> bool:
    """Whether no byte that they lie among needs escaping: one look at all of them, the usual answer."""
    import numpy

    data = texts.buffers()[2]
    if data is None:
        return True
    letters = numpy.frombuffer(data, numpy.uint8)
    return not ((letters < ord(" ")).any() or (letters == ord('"')).any() or (letters == ord("\\")).any())


def escaped(texts: Any) -> Any:
    """As JSON has them between quotation marks."""
    import pyarrow
    from pyarrow import compute

    if _is_plain(texts):
        return texts
    if compute.any(compute.match_substring_regex(texts, _CONTROL)).as_py():
        return pyarrow.array(
            [None if text is None else _quoted(text)[1:-1] for text in texts.to_pylist()], pyarrow.string()
        )
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"')):
        if compute.any(compute.match_substring(texts, sign)).as_py():
            texts = compute.replace_substring(texts, sign, escaped)
    return texts
