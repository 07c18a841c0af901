"""All that programs which write workbooks load, for the process that they are forked from; nothing else imports this.
There is what their readers are forked from, too."""

# ruff: noqa: F401  # loading is all that is wanted
import openpyxl.reader.excel
import openpyxl.writer.excel

import hub_pipelines.report.workbook.writer
import hub_pipelines_tests.writers
from hub_pipelines.validate.reading.starting import fork_readers

fork_readers()
