"""Whether a column of a contract can hold such values as a column of a file has.

Belongs here: how each kind of column judges a profile of values. To let a new column of a contract be known by its
values, name its kind in _KIND. Not here: telling kinds of values apart (content), headings (likeness).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hub_pipelines.mapping.content import ENOUGH, Profile


@dataclass(frozen=True, slots=True)
class Fit:
    """How well values fit a column, from -1 (they can't be its values) over 0 (nothing said) to 1 (nothing else is so).

    `alone`: how sure the values make us with no help from the heading.
    """

    score: float
    evidence: str = ""
    alone: float = 0.0


_NOTHING = Fit(0.0)


def fit(column: str, profile: Profile) -> Fit:
    """How well the values of a profile fit a column of a contract."""
    return fits_of((column,), profile)[column]


def fits_of(columns: Iterable[str], profile: Profile) -> dict[str, Fit]:
    """By column how well the values of a profile fit it."""
    judged: dict[str, Fit] = {}
    found = {}
    for column in columns:
        kind = _KIND.get(column, "text")
        if kind not in judged:
            judged[kind] = _judged(kind, profile)
        one = judged[kind]
        found[column] = Fit(one.score, one.evidence) if column in _NEVER_ALONE else one
    return found


def _judged(kind: str, profile: Profile) -> Fit:
    """Few values tell less."""
    judge = _JUDGES.get(kind) if profile.count else None
    if judge is None:
        return _NOTHING
    found = judge(profile)
    if profile.count >= ENOUGH:
        return found
    if found.score < 0:
        return Fit(found.score * 0.4, found.evidence)
    return Fit(found.score, found.evidence, found.alone * 0.6) if found.alone else found


def _told(profile: Profile, share: float, what: str) -> str:
    return f"{round(share * profile.count)} of {profile.count} values {what}"


def _cas(profile: Profile) -> Fit:
    share = profile.share("cas")
    digits = profile.share("cas", "cas_digits")
    if share >= 0.7:
        return Fit(1.0, _told(profile, share, "are CAS numbers with right check digit"), 0.95)
    if share >= 0.25:
        return Fit(0.5, _told(profile, share, "are CAS numbers with right check digit"))
    if digits >= 0.7:
        return Fit(0.6, _told(profile, digits, "are CAS numbers, some without their hyphens"))
    if share > 0 or digits >= 0.3:
        return Fit(0.1, _told(profile, max(share, digits), "are CAS numbers with right check digit"))
    return Fit(-1.0, f"none of {profile.count} values is a CAS number with right check digit")


def _distinctive(kind: str, what: str, *, alone: float, refutes: float) -> Callable[[Profile], Fit]:
    """Values of a kind that nothing else looks like."""

    def judge(profile: Profile) -> Fit:
        share = profile.share(kind)
        if share >= 0.6:
            return Fit(1.0, _told(profile, share, f"are {what}"), alone)
        if share >= 0.2:
            return Fit(0.3, _told(profile, share, f"are {what}"))
        return Fit(0.0) if share > 0 else Fit(-refutes, f"none of {profile.count} values is one of the {what}")

    return judge


def _foreign(profile: Profile, *, dates: bool = True) -> Fit | None:
    """Values of a kind that only one sort of column has."""
    kinds = {"email": "e-mail addresses", "url": "web addresses", "h_codes": "hazard codes"}
    if dates:
        kinds["date"] = "dates"
    for kind, what in kinds.items():
        share = profile.share(kind)
        if share >= 0.6:
            return Fit(-1.0, _told(profile, share, f"are {what}"))
    return None


def _date(profile: Profile) -> Fit:
    share = profile.share("date")
    if share >= 0.6:
        return Fit(0.6, _told(profile, share, "are dates"))
    if profile.share("date", "compact_date", "serial_date") >= 0.6:
        return Fit(0.3, "the values may be dates")
    if share >= 0.2 or profile.share("integer") >= 0.6:
        return _NOTHING
    return (
        Fit(-0.9, f"{_told(profile, share, 'are dates')}")
        if profile.share("words", "number", "code", "flag") >= 0.5
        else _NOTHING
    )


def _quantity(profile: Profile) -> Fit:
    refuted = _foreign(profile, dates=False)
    if refuted or profile.share("cas") >= 0.6:
        return refuted or Fit(-1.0, "the values are CAS numbers")
    if profile.share("flag") >= 0.6:
        return Fit(-1.0, _told(profile, profile.share("flag"), "are a yes or a no"))
    dates = profile.share("date")
    if dates >= 0.6:
        # a heading that says it outright is believed: Excel makes dates of fractions, which its rows are asked about
        return Fit(-0.8, _told(profile, dates, "are dates"))
    amounts = profile.share("amount")
    numbers = profile.share("number")
    if amounts >= 0.5:
        return Fit(0.7, _told(profile, amounts, "are amounts with a unit"), 0.8 if amounts >= 0.7 else 0.0)
    if numbers + amounts >= 0.6:
        return Fit(0.3, _told(profile, numbers + amounts, "are numbers"))
    if numbers + amounts >= 0.2 or profile.share("counted") >= 0.6:
        return _NOTHING
    return Fit(-0.7, f"only {_told(profile, numbers + amounts, 'are numbers')}")


def _unit(profile: Profile) -> Fit:
    share = profile.share("unit")
    if share >= 0.5:
        return Fit(0.9, _told(profile, share, "are units"), 0.7)
    if profile.share("number") >= 0.5:
        return Fit(-1.0, _told(profile, profile.share("number"), "are numbers"))
    return _foreign(profile) or (
        Fit(-0.7, "the values are too long for units") if profile.mean_length > 15 else _NOTHING
    )


def _money(profile: Profile) -> Fit:
    if profile.share("money") >= 0.5:
        return Fit(0.7, _told(profile, profile.share("money"), "are amounts of money"))
    refuted = _foreign(profile)
    if refuted:
        return refuted
    share = profile.share("number", "money")
    if share >= 0.6:
        return Fit(0.3, _told(profile, share, "are numbers"))
    return _NOTHING if share >= 0.2 else Fit(-0.9, f"only {_told(profile, share, 'are numbers')}")


def _code(profile: Profile) -> Fit:
    refuted = _foreign(profile)
    if refuted:
        return refuted
    if profile.share("flag") >= 0.6 or profile.share("amount") >= 0.7:
        return Fit(-0.9, "the values are no numbers or codes")
    if profile.share("cas") >= 0.7:
        return Fit(-0.6, "the values are CAS numbers")
    share = profile.share("code")
    if share >= 0.6:
        return Fit(0.3, _told(profile, share, "look like codes"))
    if share < 0.1 and profile.share("words") >= 0.8:
        return Fit(-0.9, f"{_told(profile, profile.share('words'), 'are words without a digit')}")
    return Fit(-0.7, f"only {_told(profile, share, 'look like codes')}") if profile.mean_length > 30 else _NOTHING


def _asset_tag(profile: Profile) -> Fit:
    share = profile.share("registered")
    if share >= 0.6:
        # below what is taken in spite of a heading that surely says something else
        return Fit(1.0, _told(profile, share, "are tags of the procurement list"), 0.88)
    return _tag(profile)


def _tag(profile: Profile) -> Fit:
    found = _code(profile)
    if found.score > 0 and profile.count >= 10 and profile.variety < 0.5:
        return Fit(-0.5, "many rows have the same value, and a tag is on one thing only")
    return found


def _name(profile: Profile) -> Fit:
    refuted = _foreign(profile)
    if refuted:
        return refuted
    if profile.running or profile.share("number") >= 0.8:
        return Fit(-1.0, _told(profile, max(profile.share("number"), 0.8), "are plain numbers"))
    if profile.share("flag", "cas", "unit", "amount") >= 0.7:
        return Fit(-0.9, "the values are no names")
    if profile.share("category", "state") >= 0.6:
        return Fit(-0.7, "the values tell a kind of item and not which")
    words, other = profile.share("words"), profile.share("place", "grid", "supplier")
    if words < 0.4:
        return Fit(-0.2, "")
    chemicals = profile.share("chemical")
    told = (
        _told(profile, words, "are words")
        if chemicals < 0.4
        else _told(profile, chemicals, "look like names of chemicals")
    )
    varied = profile.variety >= 0.7
    if varied and chemicals >= 0.5 and profile.share("place", "grid") < 0.5:
        return Fit(0.6, told, 0.8)
    return Fit(0.3 if varied else 0.1, told, 0.6 if varied and other < 0.5 else 0.0)


def _place(profile: Profile) -> Fit:
    refuted = _foreign(profile)
    if refuted:
        return refuted
    if profile.share("cas") >= 0.6 or profile.share("flag", "in_cells") >= 0.6:
        return Fit(-0.9, "the values are no places")
    # a code such as B4 may be a shelf's, a fuse's or a tube's: it goes with a heading, and says nothing without one
    told, share = profile.share("place"), profile.share("place", "grid")
    if profile.share("amount") >= 0.6 and share < 0.5:
        return Fit(-0.8, "the values are amounts")
    if share >= 0.5:
        alone = 0.82 if told >= 0.7 else 0.5 if told >= 0.5 else 0.0
        return Fit(0.6, _told(profile, share, "look like places in a lab"), alone)
    return Fit(-0.5, "the values are long texts") if profile.share("long") >= 0.5 else _NOTHING


def _supplier(profile: Profile) -> Fit:
    refuted = _foreign(profile)
    if refuted:
        return refuted
    if profile.share("number") >= 0.6 or profile.share("cas", "flag", "amount") >= 0.6:
        return Fit(-1.0, "the values are no names of companies")
    share = profile.share("supplier")
    if share >= 0.3:
        return Fit(0.8, _told(profile, share, "are known suppliers or company names"), 0.86 if share >= 0.6 else 0.5)
    return (
        Fit(-0.5, "the values look like codes")
        if profile.share("code") >= 0.8 and profile.share("words") < 0.4
        else _NOTHING
    )


def _size(profile: Profile) -> Fit:
    refuted = _foreign(profile)
    return refuted or (Fit(0.4, "the values are amounts") if profile.share("amount") >= 0.5 else _NOTHING)


def _link(profile: Profile) -> Fit:
    share = profile.share("url")
    return Fit(0.8, _told(profile, share, "are web addresses"), 0.85) if share >= 0.6 else _NOTHING


def _text(profile: Profile) -> Fit:
    return Fit(-0.6, "the values are e-mail addresses") if profile.share("email") >= 0.6 else _NOTHING


def _person(profile: Profile) -> Fit:
    refuted = _foreign(profile)
    return refuted or (Fit(-0.8, "the values are numbers") if profile.share("number") >= 0.6 else _NOTHING)


def _listed(kind: str, what: str, *, lenient: bool = False, alone: float = 0.0) -> Callable[[Profile], Fit]:
    """Words of a list. `lenient`: labs have other words there too, which people can correct."""

    def judge(profile: Profile) -> Fit:
        share = profile.share(kind)
        if share >= 0.5:
            return Fit(0.8, _told(profile, share, f"are {what}"), alone if share >= 0.8 else 0.0)
        refuted = _foreign(profile)
        if refuted:
            return refuted
        return Fit(-0.1 if lenient or share else -0.6, f"only {_told(profile, share, f'are {what}')}")

    return judge


def _status(profile: Profile) -> Fit:
    share = profile.share("state", "foreign_state")
    return Fit(-1.0, _told(profile, share, "are physical states")) if share >= 0.6 else _NOTHING


def _whole_numbers(profile: Profile) -> Fit:
    share = profile.share("integer")
    return Fit(0.3, _told(profile, share, "are whole numbers")) if share >= 0.6 else Fit(-0.9, "few values are numbers")


def _moment(profile: Profile) -> Fit:
    if profile.share("time") >= 0.5:
        return Fit(0.7, _told(profile, profile.share("time"), "are days with a time"))
    return Fit(0.2) if profile.share("date") >= 0.5 else Fit(-0.9, "few values are dates")


def _rate(profile: Profile) -> Fit:
    share = profile.share("percent", "number")
    return (
        Fit(0.3, _told(profile, share, "are numbers or percents"))
        if share >= 0.6
        else Fit(-0.9, "few values are numbers")
    )


_KIND = {
    "item_name": "name", "contents": "name",
    "item_code": "code", "lot_number": "code", "serial_number": "code", "certificate_number": "code", "seal_no": "code",
    "po_number": "code", "invoice_number": "code", "award_id": "code", "transaction_id": "code", "account": "text",
    "fain": "code", "container_id": "tag", "asset_tag": "asset_tag",
    "cas_number": "cas", "cas_numbers": "cas", "hazard_codes": "h_codes",
    "location": "place", "from_place": "place", "to_place": "place",
    "quantity": "quantity", "quantity_on_hand": "quantity", "reorder_level": "quantity",
    "container_size": "size", "storage_temperature": "text", "link": "link",
    "unit": "unit", "supplier": "supplier", "vendor": "supplier", "manufacturer": "supplier",
    "calibrated_by": "person", "signed_by": "person", "pi_name": "person", "generator": "person", "sponsor": "person",
    "responsible_email": "email", "pi_email": "email",
    "unit_cost": "money", "amount": "money", "obligated_amount": "money",
    "category": "category", "status": "status", "result": "result", "event_type": "event", "physical_state": "state",
    "packing_group": "packing", "hazard_class": "class", "event_seq": "whole", "at": "moment",
    "waste_codes": "waste", "un_number": "un", "epa_id": "epa_id", "manifest_tracking_number": "manifest",
    "aln": "aln", "vendor_uei": "uei", "currency": "currency", "idc_rate": "rate",
    "acquired_on": "date", "expires_on": "date", "counted_on": "date", "received_on": "date", "opened_on": "date",
    "calibrated_on": "date", "due_on": "date", "accumulation_started_on": "date", "disposed_on": "date",
    "starts_on": "date", "ends_on": "date", "final_report_on": "date", "posted_on": "date", "incurred_on": "date",
    "budget_starts_on": "date", "budget_ends_on": "date", "ordered_on": "date",
}  # fmt: skip
"""What sort of values a contract's column has; the others are texts of any sort."""

_NEVER_ALONE = frozenset(("reorder_level", "from_place", "container_size"))
"""Their values look like those of another column of the same contract, which is the likelier one."""

_JUDGES: Mapping[str, Callable[[Profile], Fit]] = {
    "name": _name,
    "code": _code,
    "tag": _tag,
    "asset_tag": _asset_tag,
    "cas": _cas,
    "place": _place,
    "quantity": _quantity,
    "unit": _unit,
    "supplier": _supplier,
    "person": _person,
    "money": _money,
    "date": _date,
    "moment": _moment,
    "whole": _whole_numbers,
    "status": _status,
    "rate": _rate,
    "text": _text,
    "size": _size,
    "link": _link,
    "h_codes": _distinctive("h_codes", "hazard codes of the GHS", alone=0.93, refutes=0.9),
    "email": _distinctive("email", "e-mail addresses", alone=0.82, refutes=0.9),
    "waste": _distinctive("waste", "federal waste codes", alone=0.9, refutes=0.8),
    "un": _distinctive("un", "UN numbers", alone=0.9, refutes=0.5),
    "epa_id": _distinctive("epa_id", "EPA IDs", alone=0.85, refutes=0.4),
    "manifest": _distinctive("manifest", "manifest tracking numbers", alone=0.85, refutes=0.6),
    "aln": _distinctive("aln", "Assistance Listing Numbers", alone=0.0, refutes=0.7),
    "uei": _distinctive("uei", "Unique Entity IDs", alone=0.6, refutes=0.6),
    "currency": _distinctive("currency", "currency codes", alone=0.6, refutes=0.7),
    "category": _listed("category", "categories of the hub's list", lenient=True),
    "result": _listed("result", "results of calibrations", lenient=True),
    "event": _listed("event", "kinds of events", lenient=True),
    "state": _listed("state", "physical states", alone=0.93),
    "packing": _listed("packing", "packing groups"),
    "class": _listed("class", "DOT hazard classes"),
}


def carries_unit(profile: Profile) -> bool:
    """Whether most values of a quantity have their unit behind them: 25 g."""
    return profile.share("amount") >= 0.5
