"""How long it takes to find out how a file writes its values, beside judging its rows without that.

Run: python -m hub_pipelines_tests.bench.conventions [rows]. Processor times of one process, side by side in one run.
"""

import datetime
import random
import sys
import time
import tracemalloc
from collections.abc import Iterator

from hub_pipelines.validate.columns import located_columns
from hub_pipelines.validate.conventions.applying import apply
from hub_pipelines.validate.conventions.deciding import decide
from hub_pipelines.validate.model import Row, Table
from hub_pipelines.validate.service import validate
from hub_pipelines_tests.unit.validate.builders import GOOD_ROW, INVENTORY, AllTags


class Rows:
    """An asset list that is made anew each time; `local` writes days, numbers and amounts as people do."""

    def __init__(self, count: int, *, local: bool) -> None:
        self.count = count
        self.local = local

    def __iter__(self) -> Iterator[Row]:
        chance = random.Random(7)
        first = datetime.date(2010, 1, 1)
        for number in range(self.count):
            day = first + datetime.timedelta(days=chance.randrange(5_000))
            amount, cost = chance.randrange(1, 100_000), chance.randrange(1, 1_000_000)
            row = {**GOOD_ROW, "asset_tag": f"TAG-{number}"}
            if self.local:
                row |= {"acquired_on": f"{day.day}/{day.month}/{day.year}", "quantity": f"{amount / 10:,.1f} mL"}
                row |= {"unit_cost": f"${cost / 100:,.2f}"}
            else:
                row |= {"acquired_on": day.isoformat(), "quantity": f"{amount / 10:.1f}"}
                row |= {"unit_cost": f"{cost / 100:.2f}"}
            yield number + 2, list(row.values())


def seconds(rows: int, *, local: bool) -> dict[str, float]:
    table = Table(list(GOOD_ROW), 1, Rows(rows, local=local), {})
    columns = located_columns(table.header, INVENTORY.record_types[0])
    started = time.process_time()
    for _ in table.rows:
        pass
    making = time.process_time() - started
    conventions = decide(table, columns, answers={}, units={})
    deciding = time.process_time() - started - making
    applied = apply(table, columns, conventions)
    for _ in applied.rows:
        pass
    applying = time.process_time() - started - making - deciding
    verdicts = validate(applied, INVENTORY, campus="North", campuses=["North"], registry=AllTags())
    good = sum(hasattr(verdict, "values") for verdict in verdicts)
    assert good == rows, good
    all_of_it = time.process_time() - started - making - deciding - applying
    return {
        "deciding": deciding - making,
        "applying": applying - making,
        "judging": all_of_it - applying,
    }


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for local in (False, True):
        found = seconds(rows, local=local)
        extra = (found["deciding"] + found["applying"]) / found["judging"]
        told = ", ".join(f"{name} {value:.2f} s" for name, value in found.items())
        print(f"{rows:,} rows {'as people write them' if local else 'as the contract has them'}: {told}; {extra:+.0%}")
    tracemalloc.start()
    table = Table(list(GOOD_ROW), 1, Rows(rows, local=True), {})
    columns = located_columns(table.header, INVENTORY.record_types[0])
    for _ in apply(table, columns, decide(table, columns, answers={}, units={})).rows:
        pass
    print(f"peak of what Python allocated meanwhile: {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
