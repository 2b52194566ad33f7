"""Numbers, money, dates, units and abbreviations in words, as they are spoken.

The rules are of English; of other languages only numbers are written in words.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from s2s_zoo.errors import UserError

ENGLISH = "en"

PUNCTUATION = {
    **dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"),
    **dict.fromkeys("\u2013\u2014\u2012\u2212", "-"),
    **dict.fromkeys('\u201c\u201d\u201e\u00ab\u00bb"()[]{}<>*_~|\\^', " "),
    "\u2026": ".",
}
"""Marks that are written in several ways, and those that are not spoken."""

ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "miz",
    "dr": "doctor",
    "prof": "professor",
    "st": "saint",
    "jr": "junior",
    "sr": "senior",
    "rev": "reverend",
    "hon": "honorable",
    "gen": "general",
    "col": "colonel",
    "maj": "major",
    "capt": "captain",
    "lt": "lieutenant",
    "sgt": "sergeant",
    "gov": "governor",
    "sen": "senator",
    "co": "company",
    "corp": "corporation",
    "inc": "incorporated",
    "ltd": "limited",
    "dept": "department",
    "est": "established",
    "approx": "approximately",
    "vs": "versus",
    "etc": "et cetera",
    "no": "number",
    "vol": "volume",
    "fig": "figure",
    "mt": "mount",
    "ave": "avenue",
    "blvd": "boulevard",
    "e.g": "for example",
    "i.e": "that is",
}
"""What stands before a full stop that ends no sentence."""
BEFORE_NUMBERS = ("no", "vol", "fig", "approx", "est")
"""Abbreviations that are words, too, where no number follows."""

_SPRING = ("january", "february", "march", "april", "may", "june")
_AUTUMN = ("july", "august", "september", "october", "november", "december")
MONTHS = (*_SPRING, *_AUTUMN)

UNITS = {
    "km": "kilometer",
    "m": "meter",
    "cm": "centimeter",
    "mm": "millimeter",
    "kg": "kilogram",
    "g": "gram",
    "mg": "milligram",
    "l": "liter",
    "ml": "milliliter",
    "mi": "mile",
    "ft": "foot",
    "lb": "pound",
    "lbs": "pound",
    "oz": "ounce",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "min": "minute",
    "sec": "second",
    "s": "second",
    "ms": "millisecond",
    "w": "watt",
    "kw": "kilowatt",
    "v": "volt",
    "hz": "hertz",
    "khz": "kilohertz",
    "mhz": "megahertz",
    "kb": "kilobyte",
    "mb": "megabyte",
    "gb": "gigabyte",
    "km/h": "kilometer per hour",
    "mph": "mile per hour",
    "°c": "degree celsius",
    "°f": "degree fahrenheit",
    "°": "degree",
}
SAME_IN_PLURAL = ("hertz", "kilohertz", "megahertz")

CURRENCIES = {
    "$": ("dollar", "cent"),
    "£": ("pound", "penny"),
    "€": ("euro", "cent"),
    "¥": ("yen", ""),
}
PLURALS = {"penny": "pence", "yen": "yen", "foot": "feet"}

SYMBOLS = {
    "&": " and ",
    "@": " at ",
    "%": " percent ",
    "+": " plus ",
    "=": " equals ",
    "#": " number ",
    "/": " ",
}

_NUMBER = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MONTH = "|".join(MONTHS)
_BEFORE_YEAR = "in|since|by|from|until|of|year|early|late|mid|around|before|after|and"


def spell_out(text: str, language: str = ENGLISH) -> str:
    """`text` in words, with its punctuation.

    Args:
        text: as it is written.
        language: of num2words, such as "en" or "de"; "en-GB" reads 3/4 as a date of
            April, other English ones as of March.

    Raises:
        UserError: there are digits, and num2words is not installed or does not know
            the language.

    Example:
        >>> from s2s_zoo.data.spoken_text import spell_out
        >>> spell_out("Dr. Lee paid $3.50 on March 3.")
        'doctor lee paid three dollars and fifty cents on march third.'
    """
    for mark, plain in PUNCTUATION.items():
        text = text.replace(mark, plain)
    text = text.lower()
    if language.partition("-")[0] == ENGLISH:
        for pattern, spoken in _RULES:
            text = re.sub(pattern, partial(spoken, language=language), text)
    text = re.sub(_NUMBER, lambda match: _number(match[0], language), text)
    for symbol, words in SYMBOLS.items():
        text = text.replace(symbol, words)
    text = re.sub(r"\s+([.,?!;:])", r"\1", text)
    return " ".join(text.split())


def character_in_words(character: str) -> str:
    """What `spell_out` makes of a character that is no digit, and no white space.

    Abbreviations apart, it does not matter what stands beside it.
    """
    plain = PUNCTUATION.get(character, character).lower()
    return SYMBOLS.get(plain, plain)


def is_spelled_out(text: str, language: str = ENGLISH) -> bool:
    """Whether there are neither digits nor abbreviations in a text."""
    for mark, plain in PUNCTUATION.items():
        text = text.replace(mark, plain)
    is_english = language.partition("-")[0] == ENGLISH
    abbreviated = is_english and re.search(_RULES[0][0], text.lower())
    return not abbreviated and not any(map(str.isnumeric, text))


def in_words(value: str, language: str, to: str = "cardinal") -> str:
    """A number as num2words writes it, words apart from each other.

    Raises:
        UserError: num2words is not installed or does not know the language.
    """
    try:
        from num2words import num2words
    except ImportError as error:
        raise UserError(
            "Numbers are written in words by num2words, which is not installed: pip "
            f"install 's2s-zoo[demo]', or write them in words. Received: {value}"
        ) from error
    number: Any = float(value) if "." in value else int(value)
    try:
        words: str = num2words(number, lang=language.replace("-", "_"), to=to)
    except NotImplementedError as error:
        raise UserError(
            f"num2words writes no {to} numbers of the language {language!r}: write "
            f"them in words. Received: {value}"
        ) from error
    except OverflowError as error:
        raise UserError(f"No words for so large a number: {value:.40}") from error
    return " ".join(re.sub(r"[-,]", " ", words).split())


def _number(text: str, language: str) -> str:
    return in_words(text.replace(",", ""), language)


def _counted(text: str, noun: str, language: str) -> str:
    """A number and what it counts, in the plural unless it is one."""
    plain = text.replace(",", "")
    first, *rest = noun.split()
    if plain != "1" and first not in SAME_IN_PLURAL:
        first = PLURALS.get(first, f"{first}s")
    return " ".join([in_words(plain, language), first, *rest])


def _year(text: str, language: str) -> str:
    return in_words(text, language, "year")


def _abbreviation(match: re.Match[str], language: str) -> str:
    return ABBREVIATIONS[match[1]]


def _iso_date(match: re.Match[str], language: str) -> str:
    return _date(match[1], int(match[2]), match[3], match[0], language)


def _slashed_date(match: re.Match[str], language: str) -> str:
    first, second, year = match.groups()
    if language.lower().endswith("gb"):
        first, second = second, first
    return _date(year, int(first), second, match[0], language)


def _date(year: str, month: int, day: str, written: str, language: str) -> str:
    if not (1 <= month <= 12 and 1 <= int(day) <= 31):
        return written
    named = f"{MONTHS[month - 1]} {in_words(day, language, 'ordinal')}"
    return f"{named}, {_year(year, language)}"


def _day_of_month(match: re.Match[str], language: str) -> str:
    month, day, year = match.groups()
    words = f"{month} {in_words(day, language, 'ordinal')}"
    return f"{words}, {_year(year, language)}" if year else words


def _day_before_month(match: re.Match[str], language: str) -> str:
    day, month, year = match.groups()
    words = f"the {in_words(day, language, 'ordinal')} of {month}"
    return f"{words}, {_year(year, language)}" if year else words


def _time(match: re.Match[str], language: str) -> str:
    hour, minute, half = match.groups()
    words = [in_words(hour, language)]
    if minute == "00":
        words += [] if half else ["o'clock"]
    elif minute[0] == "0":
        words += ["oh", in_words(minute[1], language)]
    else:
        words.append(in_words(minute, language))
    return " ".join([*words, *([f"{half[0]} m"] if half else [])])


def _money(match: re.Match[str], language: str) -> str:
    sign, amount, cents, scale = match.groups()
    unit, part = CURRENCIES[sign]
    if scale:
        whole = amount + (f".{cents}" if cents else "")
        return f"{_number(whole, language)} {scale} {PLURALS.get(unit, unit + 's')}"
    words = []
    if int(amount.replace(",", "")) or not int(cents or 0):
        words.append(_counted(amount, unit, language))
    if cents and part and int(cents):
        words.append(_counted(str(int(cents)), part, language))
    return " and ".join(words)


def _unit(match: re.Match[str], language: str) -> str:
    return _counted(match[1], UNITS[match[2]], language)


def _ordinal(match: re.Match[str], language: str) -> str:
    return in_words(match[1].replace(",", ""), language, "ordinal")


def _decade(match: re.Match[str], language: str) -> str:
    words = _year(match[1], language)
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def _said_year(match: re.Match[str], language: str) -> str:
    return f"{match[1]} {_year(match[2], language)}"


def _minus(match: re.Match[str], language: str) -> str:
    return f"{match[1]}minus {match[2]}"


def _alternatives(words: Any) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_Rule = tuple[str, Callable[..., str]]
ABBREVIATED = _alternatives(
    word for word in ABBREVIATIONS if word not in BEFORE_NUMBERS
)
"""A pattern of the abbreviations that are no words."""
_RULES: tuple[_Rule, ...] = (
    (rf"(?<![\w.])({ABBREVIATED})\.(?=\s|,|$)", _abbreviation),
    (rf"(?<![\w.])({_alternatives(BEFORE_NUMBERS)})\.(?=\s*\d)", _abbreviation),
    (r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b", _iso_date),
    (r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", _slashed_date),
    (
        rf"\b({_MONTH})\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}})\b)?",
        _day_of_month,
    ),
    (
        rf"\b(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b"
        r"(?:,?\s+(\d{4})\b)?",
        _day_before_month,
    ),
    (rf"\b({_MONTH}),?\s+(\d{{4}})\b", _said_year),
    (r"\b(\d{1,2}):(\d\d)(?:\s*(am|pm|a\.m\.|p\.m\.)(?!\w))?", _time),
    (
        r"([$£€¥])\s*(\d+(?:,\d{3})*)(?:\.(\d{1,2}))?(?!\d)"
        r"(?:\s+(thousand|million|billion|trillion)\b)?",
        _money,
    ),
    (r"\b(\d{3}0)s\b", _decade),
    (rf"({_NUMBER})\s*({_alternatives(UNITS)})(?![\w/])", _unit),
    (r"\b(\d+(?:,\d{3})*)(?:st|nd|rd|th)\b", _ordinal),
    (rf"\b({_BEFORE_YEAR})\s+(1[1-9]\d\d|20\d\d)\b(?![,.]\d)", _said_year),
    (r"(^|[\s,;:])-(\d)", _minus),
)
