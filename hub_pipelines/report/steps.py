"""What a sender has to do, in the order in which to do it.

Not here: what happened (words.py), how it is shown (render.py).
"""

from hub_pipelines.report.model import Receipt
from hub_pipelines.report.words import is_update_of_count, newer_came, to_look_at

OTHER_TABLE = (
    "Your file holds another table, with other columns, which was not read (see “Worth a look”). If its rows are to be "
    "in the ledger, put it in a file of its own and drop that file too. If not, nothing need be done about it."
)
_NOT_TWICE = "Rows that were taken already are not taken twice."
_OWN_STEPS = (
    "Fix the rows listed above in your own spreadsheet. The row numbers are the ones that Excel shows.",
    "Save it.",
    f"Drop the whole file into the same folder again{{folder}}, under its old name or a new one. {_NOT_TWICE}",
)
_OF_MESSAGES = (
    "There is no file to correct: let the people who keep the system that these came from correct them there. A system "
    "that sends is told the same reasons when it asks (GET /v1/requests/…), and sends each anew under a webhook-id of "
    "its own; of a portal a record is taken again when it has changed there."
)
_MARKED_STEPS = (
    "Open the marked workbook (the link is at the top of this page). The cells to fix are red, and each has a note "
    "that says what is wrong and what to do.",
    "Type the right values over the wrong ones and save the workbook.",
    f"Drop the workbook into the folder that you sent your file to{{folder}}. {_NOT_TWICE} "
    "You may fix your own spreadsheet instead and drop that again; the row numbers above are those that Excel shows.",
)


def steps_of(receipt: Receipt) -> list[str]:
    """One sentence or two for each step; never empty."""
    if receipt.of_messages:
        return _steps_of_messages(receipt)
    if receipt.newer is not None and receipt.is_superseded:
        return [f"Nothing here. {newer_came(receipt.newer)}: go on with its receipt (the link is at the top)."]
    if receipt.first_copy is not None and receipt.first_copy.still_open and not receipt.next_step:
        told = " and ".join(receipt.first_copy.still_open)
        return [
            f"{told[:1].upper()}{told[1:]}. Go on with the receipt of the first copy (the link is above): it says what "
            "to do. Dropping the same file again changes nothing."
        ]
    if receipt.only_registry:
        return registry_steps(receipt)
    steps = [receipt.next_step] if receipt.next_step and receipt.outcome != "question" else []
    if is_update_of_count(receipt):
        steps.append(
            f"The file that this workbook was given back for was a complete count; this one came into the folder "
            f"{receipt.feed} itself. If it is to be counted again, drop the same workbook into the folder "
            f"{receipt.feed}/complete-count. If not, nothing need be done: items of that count that are named in here "
            "are found by now, and its receipt says so."
        )
    if any(one.answer is None for one in receipt.questions):
        steps += _answering(receipt)
    made = receipt.workbook is not None and receipt.workbook.state == "made"
    if receipt.counts.rejected:
        folder = "" if receipt.complete_count else f" (drop/{receipt.campus}/{receipt.feed})"
        steps += [step.format(folder=folder) for step in (_MARKED_STEPS if made else _OWN_STEPS)]
        if made and receipt.complete_count and receipt.workbook is not None and receipt.workbook.note:
            steps.append(
                "This workbook holds only some rows, so it is no complete count: drop it into the feed's folder itself."
            )
    steps += registry_steps(receipt)
    if receipt.counts.elsewhere:
        steps.append(OTHER_TABLE)
    if receipt.still_missing:
        by_place = receipt.count is not None and receipt.count.by_place
        where = " at this location" if by_place else ", here or at another location"
        steps.append(
            "Look for the items that were not found. Nothing was deleted or changed for them. As soon as a later file "
            f"names one of them{where}, it counts as found, and this receipt says so."
        )
        if receipt.count is not None and any(one.moved for one in receipt.count.missed):
            steps.append(
                "Where it says “probably moved”, the same thing was listed anew at another place. If it is the one "
                "that is missing here, list it at its old place once more with the quantity 0; until then the ledger "
                "has it at both."
            )
    steps += _steps_of_half_a_count(receipt)
    if receipt.counts.held and receipt.outcome not in ("in_review", "question"):
        steps.append("You need not do anything about rows held for a person: someone at the hub will look at them.")
    if receipt.outcome == "dismissed":
        steps.append(_after_all(receipt))
    return steps or [_usual_step(receipt)]


def _steps_of_messages(receipt: Receipt) -> list[str]:
    """Nobody has dropped them, and nobody can drop them again."""
    steps = [_OF_MESSAGES] if receipt.counts.rejected and not receipt.only_registry else []
    if receipt.needs_registry:
        come = "has come since" if receipt.registry_has_come else "is to be dropped into its procurement folder first"
        steps.append(
            f"Some wait for the procurement list of campus {receipt.campus}, which {come}. Then ask {_asked(receipt)} "
            f"to take this batch again: {receipt.request_id}."
        )
    if receipt.outcome == "dismissed":
        steps.append("If they are needed after all, have them sent anew, under webhook-ids of their own.")
    elif receipt.outcome in ("in_review", "waiting", "received"):
        return ["Nothing for now. They are safe, and this page will be written anew when the hub has gone on."]
    elif to_look_at(receipt.warnings):
        steps.append("Look at what stands under “Worth a look”: what the ledger says now may not be meant.")
    return steps or ["Nothing. All is done."]


def _after_all(receipt: Receipt) -> str:
    """The way on from what was set aside: its bytes are known, so that they are a copy wherever they come again."""
    scope = f"--campus {receipt.campus} --feed {receipt.feed}"
    count = " --complete-count" if receipt.complete_count else ""
    return (
        "If its rows are not needed, nothing need be done. If they are, correct the file and drop it again. The very "
        f"same file would only be a copy of this one: {_asked(receipt)} can have it taken all the same, by "
        f"`hub submit FILE {scope}{count} --key WORD` with a word that was not used before."
    )


def _steps_of_half_a_count(receipt: Receipt) -> list[str]:
    if receipt.places_counted == 0:
        return [
            "Nothing was counted, since no row of your file names a location. Write into each row where the item is (a "
            "column such as Location), save the file and drop it into the folder complete-count again."
        ]
    if receipt.places_left:
        them = "it has" if receipt.places_left == 1 else "they have"
        return [
            f"See below which locations of your earlier list are missing in this count. If {them} nothing any more, "
            "list what was there with the quantity 0, or where it is now. If you only did not count there, nothing is "
            "to do."
        ]
    return []


def _answering(receipt: Receipt) -> list[str]:
    number = sum(one.answer is None for one in receipt.questions)
    made = receipt.workbook is not None and receipt.workbook.state == "made"
    due = receipt.workbook is not None and receipt.workbook.state == "due"
    where = "the link is at the top of this page" if made else "it is being made: reload this page in a minute"
    sheet = (
        f"open the workbook ({where}), choose an answer on its sheet “Questions”, save it, "
        "and drop it into the folder where you dropped your file. Or "
        if made or due
        else ""
    )
    them = "the question" if number == 1 else "each question"
    return [
        f"Answer {them} above: {sheet}tell the hub's operator your answer and show this page.",
        "Your answers are remembered: the next files of this name are not asked about again.",
    ]


def registry_steps(receipt: Receipt) -> list[str]:
    """What somebody else must do, for the workbook too: all there is to do, or what goes on beside the corrections."""
    if not receipt.needs_registry:
        return []
    again = f"ask {_asked(receipt)} to take"
    number = f"submission number {receipt.request_id}"
    if receipt.registry_has_come:
        come = "The procurement list has come since"
        if receipt.only_registry:
            told = f"{again[:1].upper()}{again[1:]} this file again: {number}."
            return [f"{come}. {told} Dropping the same file again would only be a copy."]
        return [f"{come}: what you drop now is checked by it. The rows that only waited for it need no correction."]
    lacks = f"The hub has no procurement list for campus {receipt.campus} yet, so asset tags cannot be checked."
    ask = "Ask the person who keeps that list to drop it into the campus's procurement folder."
    if receipt.only_registry:
        return [
            f"{lacks} {ask}",
            f"When it is there, {again} this file again: {number}. Dropping the same file again would only be a copy "
            "of this one.",
        ]
    return [
        f"Start this at once, beside the steps above. {lacks} {ask} The rows that only wait for the list need no "
        "correction.",
        f"When it is there, {again} your newest file again: its submission number is at the end of its receipt (this "
        f"one's is {receipt.request_id}). What you drop after the list has come need not be taken again.",
    ]


def _asked(receipt: Receipt) -> str:
    """Who can have a file taken again."""
    return f"{receipt.contact}," if receipt.contact else "the hub's operator"


def _usual_step(receipt: Receipt) -> str:
    match receipt.outcome:
        case "posted" | "nothing_posted" if receipt.counts.received:
            if receipt.counts.worth_a_look:
                return "Look at what stands under “Worth a look” below. What the ledger says now may not be meant."
            if to_look_at(receipt.warnings):
                return "Look at what stands under “Worth a look” below. Nothing else is to do."
            return "Nothing. You are done."
        case "nothing_posted" | "refused":
            return "Correct your file, save it, and drop it into the same folder again."
        case "in_review" | "question":
            return "Nothing for now. A person at the hub will look at the file, and this receipt will be updated."
        case "received":
            return "Nothing. The file is safe, and this receipt will be updated when the hub has worked on it."
        case "waiting" if receipt.at_work is not None:
            return "Nothing for now. The hub is at work on the file, and this receipt will be updated."
        case "waiting":
            return "Nothing for now. The file is safe, and the hub will try again by itself."
        case "duplicate":
            if receipt.complete_count:
                return (
                    "Nothing. If you have counted again and found exactly the same, ask the hub's operator to apply "
                    "this count again."
                )
            return "Nothing. If you meant to send changes, save them in your spreadsheet and drop it again."
        case _:
            return "If this is not what you expected, show this page to the hub's operator."
