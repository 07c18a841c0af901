"""JSON as it is taken from strangers: bounded before it is parsed, and with one meaning.

Belongs here: reading one JSON text under limits. Not here: what its members mean. Numbers are given as they were
written (text), so that none is rounded; a name that comes twice in an object is refused, since readers differ on it.
"""

import json
import re
from codecs import BOM_UTF8
from collections import Counter
from typing import Any

MOST_LEVELS = 16
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.S)  # never fails and never looks back: one pass, whatever comes
_BRACKET = re.compile(rb"[\[\]{}]")
_NO_TEXT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""How a NUL or half a character may be written, which no database or file could hold as text."""
_SHOWN_CHARACTERS = 80


class BadJson(ValueError):
    """The text is no JSON that is taken; the message says why and, where that can be told, at which character."""


def parse(text: bytes) -> Any:
    """The value of a JSON text in UTF-8; integers and decimals as text. The caller bounds its size. Raises BadJson."""
    if text.count(b"{") + text.count(b"[") > MOST_LEVELS:
        _require_flat(text)
    try:
        found = _decoded(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadJson(f"is not UTF-8 text: byte {error.start + 1} belongs to no character") from error
    except json.JSONDecodeError as error:
        raise BadJson(_told(text, error)) from error
    if b"\\u" in text and _NO_TEXT.search(text):
        _require_text(found)
    return found


def _told(text: bytes, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "is empty"
    if text.startswith(BOM_UTF8):
        return "begins with a byte order mark, which JSON has not"
    return f"is not valid JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}"


def _decoded(text: str) -> Any:
    """What `decode` gives, which looks for blanks around every text though there mostly are none."""
    if text[:1] in ("{", "["):
        found, end = _DECODER.raw_decode(text)
        if end == len(text):
            return found
    return _DECODER.decode(text)


def _require_flat(text: bytes) -> None:
    levels = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", text)):
        levels += 1 if bracket[0] in b"[{" else -1
        deepest = max(deepest, levels)
    if deepest > MOST_LEVELS:
        raise BadJson(f"is nested {deepest} levels deep; at most {MOST_LEVELS} are taken")


def _require_text(found: object) -> None:
    """Raises BadJson for a NUL or half a character, however deep."""
    if isinstance(found, dict):
        for name, value in found.items():
            _require_text(name)
            _require_text(value)
    elif isinstance(found, list):
        for value in found:
            _require_text(value)
    elif isinstance(found, str) and any(one == "\0" or "\ud800" <= one <= "\udfff" for one in found):
        raise BadJson("holds a NUL or half a character (a lone surrogate), which no text can keep")


def parse_object(text: bytes) -> dict[str, Any]:
    """The same for a text that must be an object."""
    found = parse(text)
    if not isinstance(found, dict):
        raise BadJson(f"is {_kind(found)} and not an object: it must begin with {{")
    return found


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else "a single value"


def _no_constant(name: str) -> object:
    raise BadJson(f"holds {name}, which is no JSON value")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, number in Counter(name for name, _ in pairs).items() if number > 1)
        raise BadJson(f'has the name "{twice[:_SHOWN_CHARACTERS]}" twice in one object')
    return found


# one for all: making one costs as much as reading a small text
_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_no_constant, object_pairs_hook=_without_repeats
)
