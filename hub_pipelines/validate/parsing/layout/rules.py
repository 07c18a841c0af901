"""The number of the rules by which a file's tables were found.

Belongs here: their numbers and what each changed. Not here: the rules (the other modules of this package).
"""

FIRST_RULES, RULES = 1, 9
"""The number of these rules. A decision keeps the one by which its file was read, and the file is read so again
(mapping/decision.py). By the first ones, columns with other headings beyond a blank column were part of a table's rows,
and fewer words told a total; by the second, one unknown heading made such columns a table of their own; by the third,
tables were one whose rows are named by other columns where enough of the rest were alike, names that stand alone before
a blank column were one, and one column in two spellings was two; by the fourth, lines of a report's pages were items,
the headings again had to be written in the same way, a total was known by its words alone, and a unit behind a heading
made it unknown; by the fifth, a text file's headings ended with the last that says something, and lines that somebody
had prepared for items to come were items; by the sixth, a code that followed the one before was a number of rows;
by the seventh, `Total containers` needed a number in the same cell, and a sum that left out texts was none; by the
eighth, a formula without a value was a blank cell."""
ALL_KNOWN_RULES, NAMES_APART_RULES = 2, 3
NAMED_ALIKE_RULES = 4
"""From these on, tables are one only when the same columns name their rows."""
PRINTED_RULES = 5
"""From these on, what a report's program put between the rows is no item."""
PREPARED_RULES = 6
"""From these on, a delimiter behind a text file's last heading begins a column without one, and a line in which a
spreadsheet only counts on, or whose formulas find nothing, is no item."""
NUMBERED_RULES = 7
"""From these on, only below a heading such as No. or # a number counts the rows; else it is something that a row says,
such as the code of an item of which nothing is left."""
THINGS_RULES = 8
"""From these on, a row that only says `Total containers`, with its number in another cell or none, is a total, and a
sum may leave out numbers that stand as text, as a spreadsheet's own does."""
CALCULATED_RULES = 9
"""From these on, a formula that nobody has reckoned is told as one, where its row says anything else."""
