"""Where the tables of a sheet are.

Belongs here: tables below and beside each other, titles above, section rows, totals and notes. Not here: choosing among
tables and joining them (parsing/joining).
Read them in this order: scan (blocks of rows), heading_row (which of their rows holds the headings), beside (the tables
within a block), table (what is kept of each), rows (what a row is by itself: totals and print_lines have the words),
finishing and sections (what is no item once all rows are known: sums compares the numbers). rules has the numbers by
which a file is read again as it was.
"""
