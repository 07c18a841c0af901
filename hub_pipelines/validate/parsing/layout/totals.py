"""Rows that add up others.

Belongs here: by which words they are known, in the languages that headings are known in (mapping/headings). Not here:
where they stand (rows, finishing).
"""

import re

_FORMER = re.compile(
    r"(grand |sub[- ]?|running )?(total|sum)s?( (amount|cost|value|quantity|items|price))?\s*[:=]?"
    r"|summe|gesamt(summe)?|zwischensumme|итого|всего|合计|总计|小计|total (général|general)|suma|totale",
    re.I,
)
"""As the first rules of layout had it."""
_WORDS = """
    ar: المجموع, الإجمالي, الاجمالي, المجموع الكلي, المجموع الفرعي
    cs: celkem, součet, mezisoučet, celkový součet
    da: i alt, sum, subtotal, samlet
    de: summe, summen, gesamt, gesamtsumme, zwischensumme, endsumme, insgesamt, total
    en: total, totals, sum, subtotal, sub total, sub-total, grand total, running total, overall total, total amount,
    en: total cost, total value, total quantity, total items, total price, item count, number of items
    es: total, subtotal, suma, total general, suma total
    fr: total, totaux, somme, sous-total, sous total, total général, total general
    he: סה"כ, סה״כ, סך הכל, סך הכול, סכום
    hi: कुल, योग, कुल योग
    id: total, jumlah, subtotal, total keseluruhan
    it: totale, totali, somma, subtotale, totale generale, totale complessivo
    ja: 合計, 小計, 総計, 計
    ko: 합계, 총계, 소계, 총합계, 총합
    nl: totaal, subtotaal, eindtotaal, som
    pl: suma, razem, ogółem, łącznie, suma częściowa
    pt: total, subtotal, soma, total geral
    ru: итого, всего, сумма, итог, общий итог, промежуточный итог, общая сумма
    sv: summa, totalt, delsumma, totalsumma, total
    th: รวม, รวมทั้งหมด, ยอดรวม, ผลรวม
    tr: toplam, genel toplam, ara toplam
    vi: tổng, tổng cộng, tổng số, cộng
    zh: 合计, 总计, 小计, 共计, 总共, 總計, 合計, 小計, 共計
"""
_COUNTED = (
    r"items?|rows?|lines?|entries|positions?|pieces?|pcs\.?|positionen|posten|artikel|stück|stk\.?|articles?|lignes?"
    r"|pièces?|artículos|piezas|elementos|articoli|pezzi|itens|peças|stuks|позици\w*|наименовани\w*|штук\w*|шт\.?"
    r"|件|项|項|个|個|点|種|种|개|건"
)
TOTALS = tuple(
    dict.fromkeys(
        word.strip()
        for line in _WORDS.strip().splitlines()
        for word in line.partition(": ")[2].split(",")
        if word.strip()
    )
)
_ANY_WORD = "|".join(map(re.escape, sorted(TOTALS, key=len, reverse=True)))
_TOTAL = re.compile(
    rf"({_ANY_WORD})"
    # what follows a colon is the sum; without one, only a number, and a word for what is counted
    rf"\s*([:=：]|[:=：]\s*\d.{{0,40}}|\(\s*\d.{{0,40}}\)|\d[\d.,\s]*({_COUNTED})?)?",
    re.I,
)
_MAY_BE = re.compile(rf"(?<!\w)({_ANY_WORD}|count|ergebnis|anzahl|gesamt\w*)(?!\w)", re.I)
_THINGS = (
    r"containers?|bottles?|chemicals?|reagents?|items?|products?|records?|lines?|rows?|entries|samples?"
    r"|gebinde|behälter|stoffe|chemikalien|positionen|artikel|flaschen|einträge|zeilen"
    r"|envases?|frascos?|botellas?|reactivos?|art[íi]culos?|productos?|registros?|elementos?"
    r"|contenants?|flacons?|produits?|articles?|lignes?"
)
_HOW_MANY = rf"(?:{_ANY_WORD})\s+(?:(?:number )?(?:of|de|des|der|an)\s+)?(?:{_THINGS})"
_OF_THINGS = re.compile(rf"{_HOW_MANY}\s*[:=]\s*\d[\d.,]*", re.I)
_OF_THINGS_ALONE = re.compile(rf"{_HOW_MANY}\s*[:=]?", re.I)
_LETTERS = frozenset(letter for word in TOTALS for letter in (word[0], word[0].upper()))
_LONGEST = 80


def _second_letters() -> dict[str, frozenset[str]]:
    """By a word's first letter the plain letters that may follow it in a total, in either case."""
    alike = {
        letter: {one for one in map(chr, range(128)) if letter.lower() == one.lower() or letter.upper() == one.upper()}
        for letter in {word[1] for word in TOTALS if len(word) > 1}
    }
    found: dict[str, set[str]] = {letter: set() for letter in _LETTERS}
    for word in TOTALS:
        for first in (word[0], word[0].upper()):
            # behind a word of one letter anything may stand
            found[first] |= alike[word[1]] if len(word) > 1 else set(map(chr, range(128)))
    return {letter: frozenset(followed) for letter, followed in found.items()}


_SECOND_LETTERS = _second_letters()


def begins_as_total(first: str, second: str) -> bool:
    """Whether a total may begin with these two letters; `second` is empty where the text has but one."""
    if first not in _LETTERS:
        return False
    return not second.isascii() or not second or second in _SECOND_LETTERS[first]


def is_total(text: str, *, formerly: bool = False) -> bool:
    """`formerly`: as the first rules of layout had it. Asked for each row: most are told by a letter or two."""
    if not text or len(text) > _LONGEST:
        return False
    if formerly:
        return _FORMER.fullmatch(text) is not None
    return begins_as_total(text[0], text[1:2]) and _TOTAL.fullmatch(text) is not None


def tells_how_many(text: str) -> bool:
    """`Total containers: 214`: a total, whatever stands above."""
    return len(text) <= _LONGEST and _OF_THINGS.fullmatch(text) is not None


def says_how_many(text: str) -> bool:
    """`Total containers`: the same, its number in another cell."""
    return len(text) <= _LONGEST and _OF_THINGS_ALONE.fullmatch(text) is not None


def may_be_total(text: str) -> bool:
    """Whether a text has a word of totals among others: `Total containers: 214`, `Room 3 Total`, `Gesamtanzahl`.

    So may an item's name; the numbers must speak for it too (sums).
    """
    return len(text) <= _LONGEST and _MAY_BE.search(text) is not None
