"""How alike a heading is to the headings that are known for a column.

Belongs here: what a heading says when its decoration, its abbreviations, its unit and its slips are set aside, and how
sure that makes us. Not here: the known headings (spellings), what the values say (content).
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hub_pipelines.mapping.content import is_currency, is_measure, is_unit, words_in
from hub_pipelines.mapping.spellings import NAMES_ONLY, Known, known_of
from hub_pipelines.validate.columns import is_vague, normalise_header
from hub_pipelines.validate.model import RecordType

# what a heading is worth by how it was recognised; a heading counts by itself from proposing.SURE on
_NAME = 1.0
_OWN = 0.97
_SYNONYM = 0.95
_CLEANED = 0.93
_VAGUE = 0.85
_HEAD = 0.74
_LAST_WORD = 0.66
_INSIDE = 0.55
# a slip or two in a word; from _SLIP on it is that word, from _NEAR on it may be
_SLIP = 0.86
_NEAR = 0.75
_SHORTEST_LIKE = 5
# a longer heading is a sentence, and how that begins or ends says little of what it is about
_MOST_WORDS = 5
_SHORT = 6
_LONGEST = 120
_MOST_FUZZY = 150
# beyond these only headings that are spelled as they are known are found
_MOST_TAKEN_APART = 1_000

_TOKENS = {
    "qty": "quantity", "qnty": "quantity", "quant": "quantity", "loc": "location", "locn": "location",
    "mfr": "manufacturer", "mfg": "manufacturer", "manuf": "manufacturer", "manufact": "manufacturer",
    "cat": "catalog", "catalogue": "catalog", "catalogus": "catalog", "exp": "expiration", "expir": "expiration",
    "no": "#", "nr": "#", "num": "#", "nbr": "#", "number": "#", "n°": "#", "nº": "#", "№": "#", "nos": "#",
    "numbers": "#", "numb": "#",
    "desc": "description", "descr": "description", "descrip": "description", "amt": "amount", "vol": "volume",
    "acq": "acquisition", "acqn": "acquisition", "bldg": "building", "rm": "room", "dept": "department",
    "recd": "received", "rcvd": "received", "rec'd": "received", "acctg": "accounting", "acct": "account",
    "grp": "group", "gp": "group", "haz": "hazard", "cal": "calibration", "calib": "calibration", "cert": "certificate",
    "certif": "certificate", "cont": "container", "accum": "accumulation", "supp": "supplier", "vend": "vendor",
    "proj": "project", "equip": "equipment", "eqpt": "equipment", "ser": "serial", "min": "minimum", "max": "maximum",
    "dt": "date", "ref": "reference", "chem": "chemical", "chems": "chemical", "inst": "instrument",
    "instr": "instrument", "inv": "inventory", "pkg": "packing", "packaging": "packing", "pt": "point", "lvl": "level",
    "trans": "transaction", "txn": "transaction", "temp": "temperature", "conc": "concentration", "prod": "product",
    "colour": "color", "barcodes": "barcode", "identifier": "id", "ident": "id", "uom": "unit of measure",
    "resp": "responsible", "pos": "position", "sn": "serial #", "msds": "sds", "phys": "physical",
    "awd": "award", "titl": "title", "txt": "text", "eff": "effective", "agcy": "agency", "prj": "project",
    "addl": "additional", "purch": "purchase", "mgr": "manager", "invest": "investigator", "oblig": "obligated",
    "stor": "storage", "storag": "storage", "bal": "balance", "curr": "current", "rcv": "received", "bot": "bottle",
}  # fmt: skip
"""Short for what, in the form in which headings are compared; `#` stands for any word for number."""
_FILLERS = words_in(
    "of the a an in at is for to per your our if any current item main primary full total please enter "
    "official known required optional text info details"
)
_LINKS = words_in("de del la las los el du des d l da do das dos di della dello dell degli delle")
"""Between two words of a Romance heading they say nothing: fecha de calibración, FechaCalibracion."""
_GENERIC = frozenset(
    ("#", "code", "id", "reference", "date", "type", "name", "value", "count", "text", "class", "state")
)
"""Words that say something only together with others."""
THINGS = frozenset(("item_name", "contents"))
"""Whose words before what a heading ends in only say that it is the item's: reagent location."""
_OPPOSITES = frozenset(("min", "minimum", "max", "maximum", "in", "out", "start", "end", "from", "to"))
"""No slip of the pen makes one of the other."""
_OTHERWISE = words_in(
    """
    and or requested request planned promised estimated previous former next old last first initial original
    ordered used consumed submitted by sold shipped shipping ship delivery deliver purchase purchased maximum minimum
    max min target
    desired alert annual yearly monthly daily return returned disposal destination billing not non
    """
)
"""Words before what a heading ends in that make it something else: a requested delivery date, a maximum quantity."""
_NUMBERING = re.compile(r"^\s*(?:\(?[0-9]{1,2}[.):]|\(?[a-zA-Z][.)])\s+")
_IN_BRACKETS = re.compile(r"[(\[{（【]([^)\]}）】]*)[)\]}）】]")
_MARKS = re.compile(r"[*†‡©®™?!:;,\"“”«»<>|\\^~`•·.…†§¶=+]")
_LOWER_UPPER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_BEFORE_UNIT = re.compile(r"^(.{3,}?)[\s,_/-]+(?:in\s+)?(\S{1,8})$", re.I)
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}")
_OF = re.compile(r"^(.{3,}?) of (?:the )?(.{2,})$")
_HASH = re.compile(r"#+|№|n[°º]\.?(?=\s|$)", re.I)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading taken apart. `forms` are what it may say, the fullest first, `same` what these are compared by; `unit`
    is a unit that it names."""

    text: str
    forms: tuple[str, ...]
    same: tuple[str, ...] = ()
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Like:
    """How well a heading fits a column (0 to 1), by which known spelling, and how that was found."""

    column: str
    score: float
    how: str
    spelling: str
    own: bool = False
    """Whether it is a spelling of the contract itself, which is beyond doubt."""

    @property
    def vague(self) -> bool:
        """Whether the spelling says so little that another heading for the column is to be preferred."""
        return is_vague(self.spelling) or self.spelling in NAMES_ONLY

    def told(self, heading: str) -> str:
        text = " ".join(heading.split())
        said = {
            "name": f"heading '{text}' is the column's own name",
            "synonym": f"heading '{text}' is a known spelling of {self.column}",
            "cleaned": f"heading '{text}' says '{self.spelling}', a known spelling of {self.column}",
            "vague": f"heading '{text}' may mean {self.column}",
            "slip": f"heading '{text}' is '{self.spelling}' with a slip or two",
            "near": f"heading '{text}' is like '{self.spelling}'",
            "head": f"heading '{text}' ends in '{self.spelling}'",
            "end": f"heading '{text}' ends in '{self.spelling}', but says more",
            "inside": f"heading '{text}' has '{self.spelling}' in it",
        }
        return said[self.how]


def taken_apart(header: Sequence[str]) -> list[Heading]:
    """Each heading's forms. A word that most headings begin with, such as the chem of chemName, is set aside."""
    shared = _shared_prefix(header)
    near = [_taken_apart(text, shared) for text in header[:_MOST_TAKEN_APART]]
    return near + [Heading(text, (normalise_header(text),)) for text in header[_MOST_TAKEN_APART:]]


def _taken_apart(text: str, shared: str | None) -> Heading:
    if not text.strip():
        return Heading(text, ())
    cut = _NUMBERING.sub("", unicodedata.normalize("NFKC", " ".join(text[:_LONGEST].split())))
    bracketed = [inner.strip() for inner in _IN_BRACKETS.findall(cut)]
    bare = _IN_BRACKETS.sub(" ", cut).strip()
    unit = next((inner for inner in bracketed if is_unit(inner) or is_currency(inner)), None)
    forms = [normalise_header(text)]
    # what is in brackets belongs to the heading unless it is a unit: E-mail, bottles
    forms += [_form(cut)] if unit is None else []
    forms += [_form(bare)]
    ending = _BEFORE_UNIT.match(bare)
    if unit is None and ending and is_measure(ending[2]):
        unit = ending[2]
        forms.append(_form(ending[1]))
    if shared:
        forms += [rest for form in (_form(cut), _form(bare)) for rest in _without(shared, form)]
    turned = [f"{of[2]} {of[1]}" for of in map(_OF.match, forms) if of and not canonical(of[1]).startswith("#")]
    told = tuple(dict.fromkeys(form for form in (*forms, *turned) if form))
    return Heading(text, told, tuple(map(canonical, told)), unit)


def _form(text: str) -> str:
    whole = _INITIALS.sub(lambda found: found[0].replace(".", "") + " ", text)
    split = _LOWER_UPPER.sub(" ", whole) if not whole.isupper() else whole
    plain = _MARKS.sub(" ", _HASH.sub(" # ", split.replace("(s)", "s")))
    return normalise_header(plain)


def _shared_prefix(header: Sequence[str]) -> str | None:
    forms = [form for form in (_form(text[:_LONGEST]) for text in header[:_MOST_FUZZY]) if form]
    words = Counter(form.split(" ", 1)[0] for form in forms if " " in form).most_common(1)
    # chemname, chemunit: no word, but the letters that most begin with
    letters = Counter(form[:length] for form in forms if form.isalpha() for length in range(3, min(7, len(form) - 2)))
    longest = sorted(letters.items(), key=lambda one: (-one[1], -len(one[0])))[:1]
    return next((start for start, count in (*words, *longest) if count >= 3 and count >= 0.6 * len(forms)), None)


def _without(prefix: str, form: str) -> Iterable[str]:
    """What is left of a form without its prefix: name of chem name and of chemname, nothing of chemical name."""
    rest = form.removeprefix(prefix)
    if rest != form and (rest.startswith(" ") or " " not in form) and len(rest.strip()) > 1:
        yield rest.strip()


@functools.lru_cache(maxsize=4_000)
def canonical(form: str) -> str:
    """The form in which abbreviations, plurals and words for number are alike, and small words left out."""
    words: list[str] = []
    for word in (
        _without_accents(form).replace("/", " ").replace("&", " ").replace("#", " # ").replace("'", " ").split()
    ):
        full = _TOKENS.get(word.strip("."), word.strip("."))
        words.extend(_singular(one) for one in full.split())
    told = [word for at, word in enumerate(words) if word and not (0 < at < len(words) - 1 and word in _LINKS)]
    kept = [word for at, word in enumerate(told) if not (word == "#" and at and told[at - 1] == "#")]
    return " ".join(kept)


def _without_accents(form: str) -> str:
    """Ubicacion for ubicación, as many keyboards write; marks that other scripts write with are kept."""
    if form.isascii():
        return form
    parted = unicodedata.normalize("NFD", form)
    return unicodedata.normalize("NFC", "".join(char for char in parted if not "\u0300" <= char <= "\u036f"))


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) and word.isascii():
        return word[:-1]
    return word


@dataclass(frozen=True)
class _Index:
    """A record type's known spellings, prepared for comparing."""

    known: Known
    canonical: Mapping[str, str]
    squeezed: Mapping[str, str]
    spellings: tuple[tuple[str, str], ...]
    english: frozenset[str]
    not_ours: frozenset[str]


_INDEXES: dict[int, tuple[RecordType, _Index]] = {}


def prepare(records: Iterable[RecordType]) -> None:
    """Make ready what the first heading of each record type would wait for, some hundredths of a second each."""
    for record in records:
        _index(record)


def _index(record: RecordType) -> _Index:
    # by identity: a record type can't be hashed, and there are few of them, made once
    found = _INDEXES.get(id(record))
    if found is None or found[0] is not record:
        found = _INDEXES[id(record)] = (record, _made_index(record))
    return found[1]


def _made_index(record: RecordType) -> _Index:
    known = known_of(record)
    by_canonical: dict[str, str] = {}
    squeezed: dict[str, str] = {}
    for form, column in (*known.own.items(), *known.other.items()):
        by_canonical.setdefault(canonical(form), column)
        for whole in _written_out(form):
            if len(whole) >= _SHORTEST_LIKE:
                squeezed.setdefault(_squeeze(whole), column)
    not_ours = frozenset(canonical(form) for form in known.not_ours) - by_canonical.keys()
    english = frozenset(map(canonical, known.english))
    return _Index(known, by_canonical, squeezed, tuple(by_canonical.items()), english, not_ours)


def _written_out(form: str) -> Iterable[str]:
    """A heading with each word for number: asset number, asset no, asset num."""
    words = canonical(form).split()
    yield form
    if "#" in words:
        for number in ("number", "no", "num", "nr"):
            yield " ".join(number if word == "#" else word for word in words)


def _squeeze(form: str) -> str:
    return "".join(char for char in form if char.isalnum())


def likeness(headings: Sequence[Heading], record: RecordType) -> list[dict[str, Like]]:
    """For each heading the columns that it may mean, each with its best likeness."""
    index = _index(record)
    found = [_known(heading, index) for heading in headings]
    unsettled = [
        at
        for at, (heading, likes) in enumerate(zip(headings, found, strict=True))
        if not likes and heading.forms and not is_not_ours(heading, record)
    ][:_MOST_FUZZY]
    for at in unsettled:
        found[at] = _alike(headings[at], index)
    return found


def is_not_ours(heading: Heading, record: RecordType) -> bool:
    """Whether a heading is one that labs have and the contract does not ask for."""
    index = _index(record)
    return not index.known.not_ours.isdisjoint(heading.forms) or not index.not_ours.isdisjoint(heading.same)


def _known(heading: Heading, index: _Index) -> dict[str, Like]:
    """The column that a heading names outright, if it does."""
    for number, form in enumerate(heading.forms):
        like = _exact(form, heading.same[number] if heading.same else "", index)
        if like is not None:
            score = like.score if number == 0 else min(like.score, _CLEANED)
            how = like.how if number == 0 or like.how == "vague" else "cleaned"
            return {like.column: replace(like, score=score, how=how, own=like.own and number == 0)}
        if number == 0 and (form in index.known.not_ours):
            return {}
    return _of_parts(heading, index)


def _of_parts(heading: Heading, index: _Index) -> dict[str, Like]:
    """The one column that the parts of Supplier/Manufacturer or Location / Block name."""
    parts = [_form(part) for part in heading.text[:_LONGEST].split("/")] if heading.same else []
    if len(parts) < 2 or any(len(part) < 3 or part in _GENERIC for part in parts):
        return _of_places(heading, index)
    likes = [like for like in (_exact(part, canonical(part), index) for part in parts) if like is not None]
    if not likes or len({like.column for like in likes}) > 1:
        return {}
    score = _CLEANED if len(likes) == len(parts) else _VAGUE
    return {likes[0].column: Like(likes[0].column, min(score, likes[0].score), "cleaned", likes[0].spelling)}


def _of_places(heading: Heading, index: _Index) -> dict[str, Like]:
    """The location, where each word is one for a place: location room, storage cabinet, room and shelf."""
    for form in heading.same:
        words = [word for word in form.split() if word not in _FILLERS and word not in ("and", "or", "#")]
        if len(words) > 1 and all(index.canonical.get(word) == "location" for word in words):
            return {"location": Like("location", _CLEANED, "cleaned", words[0])}
    return {}


def _exact(form: str, same: str, index: _Index) -> Like | None:
    column = index.known.own.get(form)
    if column is not None:
        if form == normalise_header(column):
            return Like(column, _NAME, "name", form, own=True)
        vague = is_vague(form)
        return Like(column, _VAGUE if vague else _OWN, "vague" if vague else "synonym", form, own=True)
    column = index.known.other.get(form)
    if column is not None:
        vague = is_vague(form) or form in NAMES_ONLY
        return Like(column, _VAGUE if vague else _SYNONYM, "vague" if vague else "synonym", form)
    column = index.canonical.get(same)
    if column is not None and same not in index.not_ours:
        return Like(column, _CLEANED, "cleaned", same)
    column = index.squeezed.get(_squeeze(form)) if same else None
    return Like(column, _CLEANED, "cleaned", form) if column is not None else None


def _alike(heading: Heading, index: _Index) -> dict[str, Like]:
    """The columns that a heading is like, by slips of the pen and by the words that it has in it."""
    from rapidfuzz import process
    from rapidfuzz.distance import DamerauLevenshtein

    found: dict[str, Like] = {}
    spellings = [spelling for spelling, _ in index.spellings]
    for form in dict.fromkeys(heading.same):
        if len(form) >= _SHORTEST_LIKE:
            close = process.extract(
                form, spellings, scorer=DamerauLevenshtein.normalized_similarity, score_cutoff=_NEAR, limit=5
            )
            for spelling, score, at in close:
                if len(spelling) >= _SHORTEST_LIKE and _differ_in_long_words(spelling, form):
                    english = spelling in index.english
                    _keep(found, _slip(index.spellings[at][1], spelling, form, float(score), english))
        for like in _by_words(form, index):
            _keep(found, like)
    return found


def _differ_in_long_words(spelling: str, form: str) -> bool:
    """A letter more or less makes another word of a short one: pi and po, lot and lab."""
    known, written = spelling.split(), form.split()
    if _OPPOSITES & set(known) != _OPPOSITES & set(written):
        return False
    if len(known) != len(written):
        return known[0] == written[0] or len(form) >= 12
    pairs = ((one, other) for one, other in zip(known, written, strict=True) if one != other)
    return all(min(len(one), len(other)) >= _SHORTEST_LIKE - 1 for one, other in pairs)


def _slip(column: str, spelling: str, form: str, score: float, english: bool) -> Like:
    # one letter of a short word makes another word
    if len(form) <= _SHORT:
        sure = _one_slip(spelling, form) and spelling[-1] == form[-1]
    else:
        sure = score >= _SLIP or (score >= 0.8 and _one_slip(spelling, form))
    if not sure:
        return Like(column, 0.6, "near", spelling)
    # a word of one language with a letter less is a word of another: localization, localisation; values must agree
    return Like(column, 0.88 if english else 0.74, "slip", spelling)


def _one_slip(spelling: str, form: str) -> bool:
    from rapidfuzz.distance import DamerauLevenshtein

    return DamerauLevenshtein.distance(spelling, form) == 1 and spelling[0] == form[0]


def _by_words(form: str, index: _Index) -> Iterable[Like]:
    words = [word for word in form.split() if word not in _FILLERS]
    if not words:
        return
    rest = " ".join(words)
    if rest != form and rest in index.canonical:
        yield Like(index.canonical[rest], 0.88, "cleaned", rest)
    if len(words) > _MOST_WORDS:
        return
    for length in range(min(len(words) - 1, 4), 0, -1):
        tail = " ".join(words[-length:])
        if tail in index.canonical and tail not in _GENERIC:
            before = " ".join(words[:-length])
            unsure = is_vague(tail) or not _OTHERWISE.isdisjoint(words) or _is_of_another(before, tail, index)
            ours = index.canonical.get(before) in THINGS
            score = _INSIDE if unsure else _HEAD if ours or length > 1 else _LAST_WORD
            yield Like(index.canonical[tail], score, "head" if ours else "end", tail)
            break
    for length in range(min(len(words) - 1, 4), 0, -1):
        start = " ".join(words[:length])
        if not _OTHERWISE.isdisjoint(words[length:]) or "expected" in words[length:]:
            continue
        if start in index.canonical and start not in _GENERIC and not is_vague(start):
            yield Like(index.canonical[start], _INSIDE, "inside", start)
            break


def _is_of_another(before: str, tail: str, index: _Index) -> bool:
    """Whether a heading tells the location of a supplier or of safety sheets, and not that of the item."""
    other = index.canonical.get(before)
    return other is not None and other not in THINGS and other != index.canonical[tail]


def _keep(found: dict[str, Like], like: Like) -> None:
    if like.column not in found or found[like.column].score < like.score:
        found[like.column] = like
