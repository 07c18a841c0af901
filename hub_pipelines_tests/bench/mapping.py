"""How well headings are mapped, case by case, and how long it takes. `python -m hub_pipelines_tests.bench.mapping`

With `--why` what went otherwise than a person would have it is told for the cases that the mapping is tuned on; of the
others only the figures are shown, so that nobody tunes on them. What a set was at first sight stands in its file.
"""

import sys
import time

from hub_pipelines.mapping.deciding import decide
from hub_pipelines.mapping.model import Asked, Confirmed
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import Cell
from hub_pipelines_tests.headings import Judged, cases, figures, judged, table


def main() -> None:
    why = "--why" in sys.argv
    both: list[Judged] = []
    for which in ("tuned", "held_out", "found", "real", "trial", "later", "plain"):
        found = [judged(case) for case in cases(which)]
        both += found
        print(f"-- {which}: {len(found)} headers")
        print("\n".join(table(found, why=why and which in ("tuned", "found", "trial"))))
        tell(which, found)
    tell("all", both)
    seconds("5,000 rows of 30 columns", wide_sample(5_000, 30))
    seconds("10 rows of 16,384 columns", wide_sample(10, 16_384))


def tell(which: str, found: list[Judged]) -> None:
    of = figures(found)
    asked = sum(len(one.questions) for one in found)
    print(
        f"{which}: precision {of.precision:.3f} ({of.wrong} of {of.mapped} mapped are wrong), "
        f"recall {of.recall:.3f} ({of.correct} of {of.expected}), {asked} questions\n"
    )


def wide_sample(rows: int, columns: int) -> tuple[list[str], list[list[Cell]]]:
    names = ["Chemical Name", "CAS #", "Qty (mL)", "Whereabouts", "Mfr.", "Exp. Date"]
    cells: list[Cell] = ["Acetone", "67-64-1", "500", "Room 214 / Cabinet 3", "Sigma-Aldrich", "12/31/2026"]
    header = [names[at] if at < len(names) else f"Heading number {at} of it" for at in range(columns)]
    row: list[Cell] = [cells[at] if at < len(cells) else f"value {at}" for at in range(columns)]
    return header, [list(row) for _ in range(rows)]


def seconds(what: str, file: tuple[list[str], list[list[Cell]]]) -> None:
    header, sample = file
    before = time.perf_counter()
    try:
        decide(header, sample, FEEDS["inventory"], Confirmed())
        outcome = "mapped"
    except Asked as asked:
        outcome = f"{len(asked.questions)} questions"
    print(f"{what}: {time.perf_counter() - before:.3f} s ({outcome})")


if __name__ == "__main__":
    main()
