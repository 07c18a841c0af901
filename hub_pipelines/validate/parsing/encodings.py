"""Which letters the bytes of a text file stand for.

Belongs here: telling encodings apart by evidence. Not here: delimiters and records.
A file that is valid UTF-8 is taken as that. Otherwise the pages that Windows, old Macs and East Asian systems write are
tried, and the one whose letters look most like words wins. Without evidence it is cp1252, and that is told.
"""

import codecs
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hub_pipelines.validate.parsing.refusal import Refusal, not_text

BLOCK = 1024 * 1024
_SAMPLE_LINES = 400
_LONGEST_SAMPLE_LINE = 2000
_PLAUSIBLE = 0.1
_MIXED = "hub-mixed"
_ASCII = bytes(range(128))


@dataclass(frozen=True)
class Encoding:
    """`errors` is the codec's way with bytes that do not belong to `name`; `evidence` tells why it was chosen."""

    name: str
    evidence: str
    errors: str = "strict"

    @property
    def is_utf8(self) -> bool:
        """Whether all of the file is UTF-8."""
        return self.name in ("utf-8", "utf-8-sig") and self.errors == "strict"


def encoding_of(file: BinaryIO, alive: Callable[[], None]) -> Encoding:
    """Reads the whole file once, in blocks: one stray byte at the end decides as much as one in front."""
    file.seek(0)
    start = file.read(8192)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _checked(file, Encoding("utf-16", "byte order mark"), alive)
    if start.startswith(codecs.BOM_UTF8):
        return _utf8(file, "utf-8-sig", "byte order mark", alive)
    if wide := _utf16_by_nuls(start):
        return _checked(file, Encoding(wide, "every other byte is 0"), alive)
    return _utf8(file, "utf-8", "", alive)


def _utf16_by_nuls(start: bytes) -> str | None:
    pairs = len(start) // 2
    if not pairs:
        return None
    even, odd = start[0::2].count(0) / pairs, start[1::2].count(0) / pairs
    if odd > 0.4 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.1 else None


def _blocks(file: BinaryIO, alive: Callable[[], None]) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(BLOCK):
        alive()
        yield block


def _decodes(file: BinaryIO, name: str, alive: Callable[[], None]) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for block in _blocks(file, alive):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _checked(file: BinaryIO, encoding: Encoding, alive: Callable[[], None]) -> Encoding:
    if not _decodes(file, encoding.name, alive):
        raise _undecodable()
    return encoding


def _undecodable() -> Refusal:
    return Refusal(
        "The file's letters cannot be decoded: it is neither UTF-8, UTF-16 nor Windows text.",
        "Open the table in Excel, save it as CSV UTF-8 and send that file.",
    )


@dataclass
class _Look:
    """What one reading of the bytes as UTF-8 found."""

    wide: int = 0
    """Characters of more than one byte."""
    stray: int = 0
    """Bytes that are no UTF-8."""


def _utf8(file: BinaryIO, name: str, mark: str, alive: Callable[[], None]) -> Encoding:
    """Most files are UTF-8 to the last byte, which one look tells; of the others it is counted what is not."""
    try:
        has_wide = _is_utf8(file, name, alive)
    except UnicodeDecodeError:
        return _nearly_utf8(file, name, mark, alive)
    return Encoding(name, mark or ("valid UTF-8" if has_wide else "only plain letters"))


def _is_utf8(file: BinaryIO, name: str, alive: Callable[[], None]) -> bool:
    """Whether there is a character of more than one byte that is no blank. Raises UnicodeDecodeError, and Refusal."""
    decoder = codecs.getincrementaldecoder(name)()
    has_wide = False
    for block in _blocks(file, alive):
        if b"\0" in block:
            raise not_text()
        text = decoder.decode(block)
        has_wide = has_wide or (not block.isascii() and _wide_in(text) > 0)
    decoder.decode(b"", final=True)
    return has_wide


def _wide_in(text: str) -> int:
    """How many characters of more than one byte are no blanks."""
    wide = text.encode("utf-8").translate(None, _ASCII).decode("utf-8")
    return len("".join(wide.split()))


def _nearly_utf8(file: BinaryIO, name: str, mark: str, alive: Callable[[], None]) -> Encoding:
    look = _Look()

    def stray(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        look.stray += 1
        return "", error.start + 1

    codecs.register_error("hub-count", stray)
    decoder = codecs.getincrementaldecoder(name)("hub-count")
    sample = _Sample()
    for block in _blocks(file, alive):
        if b"\0" in block:
            raise not_text()
        text = decoder.decode(block)
        if not block.isascii():
            look.wide += _wide_in(text)
            sample.add(block)
    decoder.decode(b"", final=True)
    # text of another page hardly ever happens to be UTF-8 for whole letters
    if mark or look.wide >= look.stray:
        codecs.register_error(_MIXED, as_windows)
        told = f"{look.stray:,} bytes are no UTF-8 and were read as Windows letters (cp1252)"
        return Encoding(name, f"{mark}; {told}" if mark else told, _MIXED)
    return _by_letters(file, sample.lines(), alive)


def as_windows(error: UnicodeError) -> tuple[str, int]:
    """A codec's error handler: a byte that is no UTF-8 is taken for a Windows letter."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.start + 1].decode("cp1252", "replace"), error.start + 1


class _Sample:
    """Lines that hold bytes beyond ASCII."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def add(self, block: bytes) -> None:
        if len(self._lines) < _SAMPLE_LINES:
            for line in block.splitlines():
                if not line.isascii():
                    self._lines.append(line[:_LONGEST_SAMPLE_LINE])
            del self._lines[_SAMPLE_LINES:]

    def lines(self) -> list[bytes]:
        return self._lines


def _by_letters(file: BinaryIO, lines: list[bytes], alive: Callable[[], None]) -> Encoding:
    ranked = sorted(((page.score(lines), -at, page) for at, page in enumerate(_PAGES)), key=lambda each: each[:2])
    for score, _, page in reversed(ranked):
        if score < _PLAUSIBLE:
            break
        if _decodes(file, page.name, alive):
            close = (each.name for other, _, each in ranked if each is not page and score - other < 0.15)
            doubt = any(_read_differently(lines, page.name, other) for other in close)
            sure = "; not certain, another page fits nearly as well" if doubt else ""
            return Encoding(page.name, f"its letters read as {page.script} words ({score:.2f} of 1){sure}")
    raise _undecodable()


def _read_differently(lines: list[bytes], one: str, other: str) -> bool:
    return any(line.decode(one, "replace") != line.decode(other, "replace") for line in lines)


# -- how well letters look like words --------------------------------------------------------------------------------

_WESTERN = frozenset("éèêëàâäáãåæçíìîïñóòôöõøœúùûüýÿßÉÈÊËÀÂÄÁÃÅÆÇÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜÝŠšŽžðþÐÞ")
_CENTRAL = frozenset("ěščřžýáíéůúťďňąćęłńóśźżőűöüäăîâşţđôľĺŕëçĚŠČŘŽÝÁÍÉŮÚŤĎŇĄĆĘŁŃÓŚŹŻŐŰÖÜÄĂÎÂŞŢĐÔĽĹŔËÇß")
_SLAVIC_ONLY = frozenset("šžŠŽ")
_GOOD_SIGNS = frozenset("°µ±²³½¼¾©®™–—‘’“”•…€£§·×÷\xa0№«»βαγμδΔΩ→≤≥")
_RUSSIAN = {**dict.fromkeys("оеаинтсрвл", 1.0), **dict.fromkeys("кмдпуяыьгзбчйхжшюцщэфё", 0.7), "ъ": 0.4}
_UKRAINIAN = dict.fromkeys("іїєґ", 0.6)
_GREEK = {**dict.fromkeys("αοιετσνηυρ", 1.0), **dict.fromkeys("πκμλωςγδθχφβξζψάέήίόύώ", 0.7)}


def _case_break(before: str, letter: str) -> bool:
    return before.islower() and letter.isupper()


def _european(letters: frozenset[str], *, slavic: bool) -> Callable[[str, str, str], float]:
    def score(before: str, letter: str, after: str) -> float:
        if letter in _GOOD_SIGNS:
            # a sign amid a word is most often a letter of another page
            return -1.0 if before.isalpha() and after.isalpha() and letter not in "’–" else 0.5
        if letter not in letters or _case_break(before, letter):
            return -1.0
        if letter in _SLAVIC_ONLY:
            return 1.0 if slavic else 0.4
        beside = [each for each in (before, after) if each.isalpha()]
        if beside and not any(each.isascii() for each in beside):
            return -0.4
        return 1.0 if beside else 0.3

    return score


def _alphabet(weights: dict[str, float]) -> Callable[[str, str, str], float]:
    def score(before: str, letter: str, after: str) -> float:
        if letter in _GOOD_SIGNS:
            return -1.0 if before.isalpha() and after.isalpha() else 0.3
        weight = weights.get(letter.lower(), -1.0)
        if weight < 0 or _case_break(before, letter):
            return -1.0
        if (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha()):
            return -0.5
        alone = not before.isalpha() and not after.isalpha()
        return weight * (0.3 if alone else 1.0)

    return score


def _thai(before: str, letter: str, after: str) -> float:
    if not "\u0e01" <= letter <= "\u0e5b":
        return -1.0
    return 0.9 if any("\u0e01" <= each <= "\u0e5b" for each in (before, after)) else -0.5


def _two_bytes(encoding: str, common: Callable[[bytes, str], float]) -> Callable[[str, str, str], float]:
    def score(before: str, letter: str, after: str) -> float:
        if letter in "\u3000、。（）：，；％":
            return 0.5
        found = common(letter.encode(encoding, "replace"), letter)
        # a letter alone among Latin ones is most often a sign such as ° and what follows it
        return found if before > "\u2fff" or after > "\u2fff" else min(found, 0.3)

    return score


def _simplified(code: bytes, _letter: str) -> float:
    return 0.95 if len(code) == 2 and 0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1 else -0.5


def _traditional(code: bytes, _letter: str) -> float:
    return 0.95 if len(code) == 2 and 0xA4 <= code[0] <= 0xC6 else -0.5


def _japanese(code: bytes, letter: str) -> float:
    if "\u3041" <= letter <= "\u30fe":
        return 1.0
    return 0.8 if len(code) == 2 and 0x88 <= code[0] <= 0x98 else -0.6


def _korean(code: bytes, letter: str) -> float:
    return 1.0 if "\uac00" <= letter <= "\ud7a3" and min(code) >= 0xA1 else -0.6


@dataclass(frozen=True)
class _Page:
    name: str
    script: str
    letter_score: Callable[[str, str, str], float]
    handicap: float = 0.0

    def score(self, lines: list[bytes]) -> float:
        """The mean over all letters beyond ASCII, from -1 to 1; -1 when the bytes are not of this page."""
        total, counted = 0.0, 0
        for line in lines:
            try:
                text = line.decode(self.name)
            except UnicodeError:
                # the sample's last line may have been cut amid a letter
                text = line[:-1].decode(self.name, "ignore") if len(line) == _LONGEST_SAMPLE_LINE else ""
                if not text:
                    return -1.0
            for before, letter, after in zip(" " + text, text, text[1:] + " ", strict=False):
                if letter > "\x7f":
                    counted += 1
                    is_control = unicodedata.category(letter) in {"Cc", "Co", "Cn"}
                    total += -1.0 if is_control else self.letter_score(before, letter, after)
        return total / counted - self.handicap if counted else 0.0


_PAGES = (
    _Page("cp1252", "Western European", _european(_WESTERN, slavic=False)),
    _Page("cp1250", "Central European", _european(_CENTRAL, slavic=True), 0.02),
    _Page("cp1251", "Cyrillic", _alphabet({**_RUSSIAN, **_UKRAINIAN})),
    _Page("mac-roman", "Western European", _european(_WESTERN, slavic=False), 0.1),
    _Page("koi8-r", "Cyrillic", _alphabet(_RUSSIAN), 0.05),
    _Page("cp866", "Cyrillic", _alphabet(_RUSSIAN), 0.05),
    _Page("cp1253", "Greek", _alphabet(_GREEK)),
    _Page("cp874", "Thai", _thai, 0.05),
    _Page("gb18030", "Chinese", _two_bytes("gb18030", _simplified)),
    _Page("big5", "Chinese", _two_bytes("big5", _traditional)),
    _Page("cp932", "Japanese", _two_bytes("cp932", _japanese)),
    _Page("cp949", "Korean", _two_bytes("cp949", _korean)),
)
