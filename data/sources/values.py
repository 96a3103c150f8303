"""Measured values as files spell them, to float64; many at once."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

EMPTY = "is empty"
NO_NUMBER = "is not a number"
NOT_FINITE = "is not finite"
COMMA = "may have a decimal or a thousands comma: write it with a decimal point"

MISSING = ("", "-", "?", "n/a", "na", "nan", "nat", "null", "none")
THOUSANDS_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}")
THOUSANDS_DOT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+|[+-]?\d{1,3}(\.\d{3}){2,}")
THOUSANDS_SPACE = re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f]\d{3})+([.,]\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?(\d*,(\d{1,2}|\d{4,})|0,\d+|\d{4,},\d+)")
INFINITE = re.compile(r"[+-]?(inf|infinity|∞|\d+(\.\d*)?e\+?\d+)", re.IGNORECASE)
EITHER = re.compile(r"[+-]?\d{1,3},\d{3}")


def parse_values(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(values, reasons): float64, and why a value is NaN ("" where it is none).

    A decimal comma is mended where it can be nothing else.

    >>> values, reasons = parse_values(["1.5", "2,75", "1.234,5", "1,234", "inf", "n/a"])
    >>> values
    array([   1.5 ,    2.75, 1234.5 ,     nan,     nan,     nan])
    >>> list(reasons[3:])
    ['may have a decimal or a thousands comma: write it with a decimal point', 'is not finite',
     'is empty']
    """
    values = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(
        "float64", copy=True
    )
    reasons = np.full(len(texts), "", object)
    for row in np.flatnonzero(~np.isfinite(values)):
        values[row], reasons[row] = _mended(texts[row].strip())
    return values, reasons


def _mended(text: str) -> tuple[float, str]:
    if THOUSANDS_COMMA.fullmatch(text):
        return float(text.replace(",", "")), ""
    if THOUSANDS_DOT.fullmatch(text):
        return float(text.replace(".", "").replace(",", ".")), ""
    if THOUSANDS_SPACE.fullmatch(text):
        return float(re.sub(r"[ \u00a0\u202f]", "", text).replace(",", ".")), ""
    if DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(",", ".")), ""
    return np.nan, _reason(text)


def _reason(text: str) -> str:
    if text.casefold() in MISSING:
        return EMPTY
    if EITHER.fullmatch(text):
        return COMMA
    return NOT_FINITE if INFINITE.fullmatch(text) else NO_NUMBER
