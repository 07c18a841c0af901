"""Purchase orders and logs of movements, which are dropped as lists of assets or of stock and are neither.

Belongs here: how such an extract is known, and what its sender is told. Not here: the registry's columns (contract.py).
"""

from dataclasses import replace

from hub_pipelines.validate.model import Foreign

_HEADINGS = """
    purchasing org, purchasing organization, purchasing group, approved date, line, line number, line no, line #,
    po line, po line number, shipment number, distribution number, buyer, cancelled, canceled, closure status,
    closed code, contract num, contract number, item rev, requisition, requisition number, requester, req number,
    purchasing category, promised date, need by date
"""
_OF_ORDERS = """
    po date, purchase order date, expected delivery, expected delivery date, actual delivery, actual delivery date,
    requested delivery date, days overdue, payment terms, extended amount, extended price, deliver to, ship to,
    ship to address, ship to contact, line, buyer, requester
"""
_OF_MOVEMENTS = """
    time, timestamp, date and time, datetime, created at, action, operation, movement, movement type, transaction type,
    user, username, used by, taken by, performed by, issued to, qty used, used qty, quantity used, previous quantity,
    prev qty, new quantity, new qty, delta, change, время, дата и время, действие, операция, пользователь, кто взял,
    acción, operación, usuario, hora, ação, operação, usuário, aktion, vorgang, benutzer, zeit, uhrzeit, 操作, 操作人,
    操作时间, 时间
"""


def _named(headings: str) -> frozenset[str]:
    return frozenset(one.strip() for one in headings.split(","))


ORDER_LINES = Foreign(
    headings=_named(_HEADINGS),
    at_least=4,
    unless="asset_tag",
    reason="These are lines of purchase orders and not items: what was ordered has no tags here, one item may be "
    "several lines, and lines may be cancelled or only money.",
    fix="If things that were ordered have their tags, send a list with the columns asset_tag, po_number and campus to "
    "procurement, one row for each tag. Order lines as such are not kept by this hub.",
)

ORDERS = replace(ORDER_LINES, headings=_named(_OF_ORDERS), younger=True)
"""As systems of vendors and offices show orders, a row for each."""

MOVEMENTS = Foreign(
    headings=_named(_OF_MOVEMENTS),
    at_least=3,
    unless="location",
    reason="This is a log of what was taken out and put back, and not a list of what there is: the same item comes "
    "again with each movement, and its quantity is what was moved.",
    fix="Send the list that says how much there is of each item now. A log as such is not kept by this hub.",
    younger=True,
)
