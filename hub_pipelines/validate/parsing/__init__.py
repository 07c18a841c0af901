"""Opening a sender's file: what runs in a child process of its own, under limits that no file can exceed.

Belongs here: kinds of files by their content, encodings, delimiters, workbooks, finding the tables, the child's side of
the conversation. Imports the standard library, python-calamine and msgpack only, so that the child starts at once.
Not here: starting and watching the child (reading), what a column means, anything about values.
"""
