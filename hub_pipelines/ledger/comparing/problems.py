"""What a receipt says of lines that a corrected file, or the same list once more, has replaced or left. Pure.

Belongs here: the sentences. Not here: which lines those are (replacing.py), remarks on rows (remarks.py).
"""

from hub_pipelines.ledger.comparing.model import Corrected, Head, Replaced
from hub_pipelines.validate.model import Problem

_LINES_NAMED = 10


def kept_line(corrected: Corrected, one: Replaced, head: Head) -> Problem:
    if not corrected.closes:
        return Problem(
            "earlier_line_kept",
            None,
            None,
            f"In {corrected.source_name}, as it was sent before, this row was {one.was}, and now is {one.now}. The "
            "ledger has both.",
            f"If it is the same item, list {one.was} once more with the quantity 0, or send a complete count of its "
            "place",
            "warn",
        )
    return Problem(
        "earlier_line_kept",
        None,
        None,
        f"This row was posted before as {one.was}, and now is {one.now}. The old line is still in the ledger as well, "
        f"since {head.source_name} has set it too.",
        f"If {head.source_name} no longer has the item there, take it out of that list or write 0 for its quantity",
        "warn",
    )


def not_compared(corrected: Corrected) -> Problem:
    return Problem(
        "earlier_lines_unknown",
        None,
        None,
        f"The rows of {corrected.source_name}, which this file corrects, can't be compared with its own: they are not "
        "kept any more, or too many. Lines whose name or place was corrected are in the ledger under both.",
        "List the old ones once more with the quantity 0, or send a complete count of their place",
        "warn",
    )


def left_lines(corrected: Corrected) -> Problem:
    left = corrected.left
    more = f" and {len(left) - _LINES_NAMED:,} more" if len(left) > _LINES_NAMED else ""
    corrects = f"the file that this one corrects ({corrected.source_name})"
    file = corrects if corrected.closes else f"{corrected.source_name}, as it was sent before,"
    number, them = ("1 line", "it is") if len(left) == 1 else (f"{len(left):,} lines", "they are")
    return Problem(
        "earlier_lines_left",
        None,
        None,
        f"{number} of {file} {them.split()[1]} not listed any more: {', '.join(left[:_LINES_NAMED])}{more}. In the "
        f"ledger {them} still there.",
        "If the items are gone, list them once more with the quantity 0, or send a complete count of their place",
        "warn",
    )
