"""Purchase-order lines, which are dropped as lists of assets or of stock and are neither.

Belongs here: how such an extract is known, and what its sender is told. Not here: the registry's columns (contract.py).
"""

from hub_pipelines.validate.model import Foreign

_HEADINGS = """
    purchasing org, purchasing organization, purchasing group, approved date, line, line number, line no, line #,
    po line, po line number, shipment number, distribution number, buyer, cancelled, canceled, closure status,
    closed code, contract num, contract number, item rev, requisition, requisition number, requester, req number,
    purchasing category, promised date, need by date
"""

ORDER_LINES = Foreign(
    headings=frozenset(one.strip() for one in _HEADINGS.split(",")),
    at_least=4,
    unless="asset_tag",
    reason="These are lines of purchase orders and not items: what was ordered has no tags here, one item may be "
    "several lines, and lines may be cancelled or only money.",
    fix="If things that were ordered have their tags, send a list with the columns asset_tag, po_number and campus to "
    "procurement, one row for each tag. Order lines as such are not kept by this hub.",
)
