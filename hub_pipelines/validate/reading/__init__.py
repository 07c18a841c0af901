"""From a received file to a header and a stream of rows.

Belongs here: starting and watching the child process that opens the file, and the table as the hub sees it.
Not here: opening files (parsing), what a column means beyond its being known, anything about values.
The stored file's own name says nothing (it is named by its content), so the bytes decide, and the sender's name helps.
"""

from hub_pipelines.validate.reading.tables import Known, open_table

__all__ = ["Known", "open_table"]
