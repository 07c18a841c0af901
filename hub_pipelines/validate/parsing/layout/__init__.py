"""Where the tables of a sheet are.

Belongs here: tables below and beside each other, titles above, section rows, totals and notes. Not here: choosing among
tables and joining them (parsing/joining). Begin with scan; table is what comes of it.
In the order of reading: scan finds blocks, headings (parsing/headings) their heading row, beside the tables within a
block, rows what each row is, finishing and sections what is no item when all rows are known. rules has the numbers by
which a file is read again as it was.
"""
