"""The hub's own sheets in a returned workbook: what happened and what to do, and the questions.

Belongs here: their words and layout. Not here: the sender's own sheets (marking).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hub_pipelines.common.spreadsheets import write_text
from hub_pipelines.report.workbook.marking import BLUE, COLOUR_OF, GREY, RED, YELLOW, Marked, solid
from hub_pipelines.report.workbook.model import Plan, QuestionLine
from hub_pipelines.validate.model import excel_row
from hub_pipelines.validate.returned import FIX_HEADING, QUESTION_HEADINGS, QUESTIONS, READ_ME

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.cell.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

LISTED = 2_000
_WIDTHS = (22, 9, 22, 26, 58, 52)
_QUESTION_WIDTHS = (16, 52, 52, 34)
_GREY = "FFEDEDED"
_FONT = "Calibri"
_LONGEST_VALUE = 80
_EACH_TELLS = f'The column "{FIX_HEADING}" says of each row what is wrong.'
_TO_ANSWER = f"This file can be taken when you have answered what we ask on the sheet {QUESTIONS}"


def add_questions(workbook: "Workbook", questions: Sequence[QuestionLine]) -> None:
    """A row for each question; the answer is chosen from a list."""
    from openpyxl.styles import Alignment, Font

    sheet = workbook.create_sheet(QUESTIONS, 0)
    _widths(sheet, _QUESTION_WIDTHS)
    for column, heading in enumerate(QUESTION_HEADINGS, start=1):
        cell = sheet.cell(1, column)
        write_text(cell, heading)
        cell.font, cell.fill = Font(name=_FONT, bold=True), solid(_GREY)
    sheet.column_dimensions["A"].hidden = True
    for row, question in enumerate(questions, start=2):
        texts = (question.id, question.text, "\n".join(question.evidence), "")
        for column, text in enumerate(texts, start=1):
            cell = sheet.cell(row, column)
            write_text(cell, text)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.cell(row, 4).fill = solid(BLUE)
        _offer(sheet, row, question.choices)
    sheet.freeze_panes = "A2"
    _print_wide(sheet)


def _offer(sheet: "Worksheet", row: int, choices: Sequence[str]) -> None:
    """Choices stand beyond the answer, in hidden columns: within a rule neither commas nor long lists are possible."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    if not choices:
        return
    first = len(QUESTION_HEADINGS) + 2
    for column, choice in enumerate(choices, start=first):
        write_text(sheet.cell(row, column), choice)
        sheet.column_dimensions[get_column_letter(column)].hidden = True
    source = f"${get_column_letter(first)}${row}:${get_column_letter(first + len(choices) - 1)}${row}"
    rule = DataValidation(type="list", formula1=source, allow_blank=True, showErrorMessage=True)
    rule.errorTitle, rule.error = "One of the listed answers", "Please choose one of the answers in the list."
    rule.add(f"D{row}")
    sheet.add_data_validation(rule)


def add_read_me(
    workbook: "Workbook", plan: Plan, marked: Sequence[Marked], notes: Sequence[str], *, is_part: bool
) -> None:
    """The first sheet, and the one that is shown when the workbook is opened."""
    sheet = workbook.create_sheet(READ_ME, 0)
    page = _Page(sheet)
    page.title(_TO_ANSWER if plan.questions else plan.headline)
    page.pairs([("File", plan.sent.name), *plan.told])
    page.heading("What became of your rows")
    if plan.counts:
        page.pairs(plan.counts)
    else:
        page.text("Nothing has been taken so far.")
    page.heading("What to do")
    page.steps(_steps(plan, marked, is_part=is_part))
    if plan.questions:
        page.link(f"Go to the sheet {QUESTIONS}", QUESTIONS, "D2")
    page.heading("Colours")
    page.legend(_legend(plan))
    if notes:
        page.heading("About this workbook")
        page.steps(notes)
    if plan.waiting:
        page.heading("What waits for the procurement list")
        page.text(plan.waiting)
    if plan.about_all:
        page.heading("Worth a look in the file as a whole")
        page.steps(plan.about_all)
    listed = [one for one in marked if one.mark.severity != "wait"]
    if listed:
        page.heading("What is marked, row by row")
        page.problems(listed[:LISTED], hidden=any(one.hidden for one in listed[:LISTED]))
        if plan.marks_total > min(len(listed), LISTED):
            page.text(
                f"This list shows the first {min(len(listed), LISTED):,} of {plan.marks_total:,}. "
                + (_EACH_TELLS if is_part else "The next receipt shows the rest.")
            )
    _widths(sheet, _WIDTHS)
    _open_here(workbook, sheet)
    _print_wide(sheet)


def _steps(plan: Plan, marked: Sequence[Marked], *, is_part: bool) -> list[str]:
    severities = {one.mark.severity for one in marked}
    bad, worth_a_look = "block" in severities, "warn" in severities
    steps = list(plan.first_steps)
    if plan.questions:
        steps.append(f"Answer the questions on the sheet {QUESTIONS}: choose from the list in the last column.")
    if bad:
        steps.append(
            "Go through the red cells: each has a note that says what is wrong. "
            "The list below leads to them; click on a cell's name."
        )
        if is_part:
            steps.append(f"Further down there may be rows without notes. {_EACH_TELLS}")
        steps.append("Type the right value over the wrong one. You may leave the colours and notes as they are.")
    elif worth_a_look:
        steps.append("Look at the yellow cells. Where all is right, nothing need be done.")
    if plan.questions or bad:
        steps.append("Save this workbook as it is, as an Excel workbook. Don't delete or rename its sheets.")
        steps.append(
            f"Drop it into the folder {plan.folder}, under this name or another one. "
            "Rows that were taken already are not taken twice."
        )
    elif worth_a_look:
        steps.append(f"If you change something, save this workbook and drop it into the folder {plan.folder} again.")
    return [*steps, *plan.last_steps]


def _legend(plan: Plan) -> list[tuple[str, str]]:
    severities = {mark.severity for mark in plan.marks}
    lines = []
    if "block" in severities:
        lines.append((RED, "The row was not taken because of this cell (or, with the whole row in red, as a whole)."))
    if "warn" in severities:
        lines.append((YELLOW, "The row was taken, or could be; please check this cell."))
    if "wait" in severities:
        lines.append((GREY, "Waits for the procurement list: nothing for you to do in this cell."))
    if plan.questions:
        lines.append((BLUE, "We have a question about this column."))
    return lines


class _Page:
    """Fills a sheet from the top."""

    def __init__(self, sheet: "Worksheet") -> None:
        self._sheet = sheet
        self._row = 1

    def title(self, text: str) -> None:
        from openpyxl.styles import Font

        self._line(text).font = Font(name=_FONT, bold=True, size=16)
        self._sheet.row_dimensions[1].height = 26
        self._row += 1

    def heading(self, text: str) -> None:
        from openpyxl.styles import Font

        self._row += 1
        self._line(text).font = Font(name=_FONT, bold=True, size=12)

    def text(self, text: str) -> None:
        self._line(text)

    def link(self, text: str, sheet: str, coordinate: str) -> None:
        _lead(self._line(text), sheet, coordinate)

    def steps(self, texts: Sequence[str]) -> None:
        for number, text in enumerate(texts, start=1):
            self._line(f"{number}. {text}" if len(texts) > 1 else text)

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        for label, value in pairs:
            write_text(self._sheet.cell(self._row, 1), label)
            self._wide(2, value)
            self._row += 1

    def legend(self, lines: Sequence[tuple[str, str]]) -> None:
        for colour, text in lines:
            self._sheet.cell(self._row, 1).fill = solid(colour)
            self._wide(2, text)
            self._row += 1

    def problems(self, marked: Sequence[Marked], *, hidden: bool) -> None:
        from openpyxl.styles import Alignment, Font

        headings = ("Cell", "Row", "Column", "What you wrote", "Why", "Suggestion")
        for column, heading in enumerate(headings, start=1):
            cell = self._sheet.cell(self._row, column)
            write_text(cell, heading)
            cell.font, cell.fill = Font(name=_FONT, bold=True), solid(_GREY)
        self._row += 1
        for one in marked:
            where = f"{one.sheet}!{one.coordinate}" + (f" ({one.hidden})" if one.hidden else "")
            column_name = _column(one)
            why = one.mark.reason
            texts = (where, "", column_name, _shortened(one.mark.value) or "(empty)", why, one.mark.suggestion or "")
            for column, text in enumerate(texts, start=1):
                cell = self._sheet.cell(self._row, column)
                if text:
                    write_text(cell, text)
                cell.alignment = Alignment(wrap_text=True, vertical="top")
            number = self._sheet.cell(self._row, 2)
            number.value = one.mark.row_told or excel_row(one.mark.row)
            number.alignment = Alignment(horizontal="center", vertical="top")
            link = self._sheet.cell(self._row, 1)
            _lead(link, one.sheet, one.coordinate)
            link.fill = solid(COLOUR_OF[one.mark.severity])
            self._row += 1
        if hidden:
            self.text("Some of these cells are hidden: unhide the row, column or sheet in Excel to see them.")

    def _line(self, text: str) -> "Cell":
        cell = self._wide(1, text)
        self._row += 1
        return cell

    def _wide(self, column: int, text: str) -> "Cell":
        """A text over all columns to the right of `column`, as many lines as it needs."""
        from openpyxl.styles import Alignment

        sheet = self._sheet
        cell = sheet.cell(self._row, column)
        write_text(cell, text)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.merge_cells(start_row=self._row, start_column=column, end_row=self._row, end_column=len(_WIDTHS))
        width = sum(_WIDTHS[column - 1 :])
        sheet.row_dimensions[self._row].height = 15 * sum(1 + len(line) // width for line in text.split("\n"))
        return cell


def _column(one: Marked) -> str:
    """As the sender and Excel call it, and as the receipt has it."""
    if one.mark.position is None:
        return one.mark.column or "Whole row"
    place = f"column {one.coordinate.rstrip('0123456789')}"
    return f"{one.mark.column} ({place})" if one.mark.column else place


def _shortened(value: str | None) -> str | None:
    return value if value is None or len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"


def _lead(cell: "Cell", sheet: str, coordinate: str) -> None:
    """Make a cell a link to another one of the workbook."""
    from openpyxl.styles import Font
    from openpyxl.worksheet.hyperlink import Hyperlink

    cell.hyperlink = Hyperlink(ref=cell.coordinate, location=f"{quoted(sheet)}!{coordinate}")
    cell.font = Font(name=_FONT, color="FF0563C1", underline="single")


def quoted(sheet: str) -> str:
    """A sheet's name as references have it."""
    return "'" + sheet.replace("'", "''") + "'"


def _widths(sheet: "Worksheet", widths: Sequence[float]) -> None:
    from openpyxl.utils import get_column_letter

    for column, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width


def _print_wide(sheet: "Worksheet") -> None:
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.page_setup.orientation = "landscape"
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_setup.fitToHeight = 0


def _open_here(workbook: "Workbook", sheet: "Worksheet") -> None:
    """Two selected sheets would be a group, in which each change changes both."""
    for other in workbook.worksheets:
        other.sheet_view.tabSelected = other is sheet
    for chart in workbook.chartsheets:
        for view in chart.sheetViews.sheetView:
            view.tabSelected = False
    workbook.active = workbook.worksheets.index(sheet)
    sheet.sheet_view.showGridLines = False
