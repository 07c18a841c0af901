"""How many entries a source's day usually has.

Belongs here: the history and the statistics. Not here: what is said of an unusual day (promises, answers).
"""

import math
from dataclasses import dataclass
from statistics import median

LEAST_HISTORY_DAYS = 5

# a day is unusual when its modified z-score on a logarithmic scale is above 3.5 (Iglewicz and Hoaglin 1993, "How to
# Detect and Handle Outliers"); counts are compared as ratios, because a lab's days differ by factors
_MOST_UNUSUAL_SCORE = 3.5
_SCORE_PER_DEVIATION = 0.6745
# a source that sends nearly the same number every day is still free to send a third or three times of it
_LEAST_FACTOR = 3.0


@dataclass(frozen=True)
class History:
    """The source's own earlier days: entries per day that had any, newest first, bounded by the caller."""

    entries_per_day: tuple[int, ...]


def usual_entries(history: History) -> tuple[int, int] | None:
    """The least and the most entries of a usual day; None with too little history."""
    days = [max(1, entries) for entries in history.entries_per_day]
    if len(days) < LEAST_HISTORY_DAYS:
        return None
    middle = median(days)
    deviation = median(abs(math.log(entries / middle)) for entries in days)
    factor = max(_LEAST_FACTOR, math.exp(deviation * _MOST_UNUSUAL_SCORE / _SCORE_PER_DEVIATION))
    return max(1, math.floor(middle / factor)), math.ceil(middle * factor)
