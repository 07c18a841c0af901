"""Lines that a report's program put between the rows of a table: page numbers, the time of printing.

Belongs here: by which words they are known. Not here: where they stand (rows, finishing), totals (totals).
A line is known as a whole: each of its cells is made of nothing but such words, numbers and times.
"""

import re
from collections.abc import Sequence

_PAGE = (
    r"page|pg\.?|seite|página|pagina|pág\.?|strona|sida|sivu|sayfa|страница|ページ|頁|页|第|쪽|페이지|halaman|trang|หน้า|صفحة"
    r"|עמוד|पृष्ठ"
)
_MAY_BE_A_PLACE = r"sheet|blatt|s\.|p\.|pag\.?|hoja|feuille|folio|str\.?|strana|side|стр\.?|лист"
"""These tell a page only with the number of all pages."""
_OF = r"of|von|de|di|du|sur|van|z|av|af|из|/|共"
_PRINTED = (
    r"(?:report|list|inventory)?\s*(?:run|printed|print|generated|exported|created|produced|issued|extracted)"
    r"(?:\s+(?:date|time|on|at))*|(?:report|as of)(?:\s+date)?|date printed|date of (?:report|print)|run time"
    r"|gedruckt(?: am)?|druckdatum|ausgedruckt(?: am)?|erstellt(?: am)?|ausdruck(?: vom)?|stand(?: vom)?"
    r"|impres[oa](?: el)?|fecha de (?:impresi[oó]n|emisi[oó]n|informe)|emitido(?: el)?|generado(?: el)?"
    r"|imprim[ée](?: le)?|[ée]dit[ée](?: le)?|date d['’ ]impression|stampato(?: il)?|impresso(?: em)?|emitido em"
    r"|afgedrukt(?: op)?|wydrukowano|vytisknuto|udskrevet|utskrivet|yazdırma tarihi|напечатано|дата печати"
    r"|打印(?:日期|时间)|印刷日|출력일"
)
_WHEN = (
    r"(?:\d{1,4}[-/.]\s?\d{1,2}[-/.]\s?\d{2,4}|\d{1,2}\.?\s+\w{3,10}\.?,?\s+\d{4}|\w{3,10}\.?\s+\d{1,2},?\s+\d{4})"
    r"(?:[T,\s]+\d{1,2}:\d{2}(?::\d{2})?\s?(?:[ap]\.?m\.?)?)?|\d{1,2}:\d{2}(?::\d{2})?\s?(?:[ap]\.?m\.?)?"
)
_GOES_ON = (
    r"\(?(?:continued|cont['’.]?d?\.?|continued (?:on|from) (?:next|previous) page|fortsetzung(?: auf .{1,20})?"
    r"|contin[uú]a(?: en la .{1,20})?|suite|segue|продолжение)\)?"
    r"|\*{0,3}\s?end of (?:report|list|page|file)\s?\*{0,3}"
    r"|ende (?:des berichts|der liste)|fin del? (?:informe|listado)"
)
_NUMBERED = (
    rf"(?:{_PAGE})[\s:#]*(?:n[ro]\.?\s*)?\d{{1,5}}(?:\s*[页頁])?(?:\s*(?:{_OF})\s*\d{{1,5}})?(?:\s*[页頁])?"
    rf"|(?:{_MAY_BE_A_PLACE})\s*\d{{1,5}}\s*(?:{_OF})\s*\d{{1,5}}"
)
_SAYS_SO = re.compile(rf"(?<!\w)(?:{_NUMBERED}|(?:{_PRINTED})[\s:=]*(?:{_WHEN})|{_GOES_ON})(?!\w)", re.I)
_TIME = re.compile(rf"(?<!\w)(?:{_WHEN})(?!\w)", re.I)
_LONGEST = 80


def is_print_line(texts: Sequence[str]) -> bool:
    """Whether the filled cells of a row say which page this is, or when it was printed, and nothing else.

    `Page protectors` and `Printed circuit board` are items. `Page` and `2` in two cells are a page's number.
    """
    if not texts or any(len(text) > _LONGEST for text in texts):
        return False
    left, number = _SAYS_SO.subn(" ", " ".join(texts))
    return number > 0 and not any(map(str.isalnum, _TIME.sub(" ", left)))
