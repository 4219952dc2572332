"""When two names are one, and what is no name but an id.

A name is two words or more, or a word of four letters or more, without a number of three digits: `n000001`,
`id_7` and `person_001` are ids, which two datasets may share by accident; `Madonna` and `George_W_Bush` are
names.
"""

from __future__ import annotations

import re
import unicodedata

import pandas as pd

MARKS = range(0x300, 0x370)  # combining accents of Latin, Greek and Cyrillic


def normal_name(name: str | None) -> str:
    """Letters and digits alone, without case and accents; "" for what is no name but an id."""
    if name is None or pd.isna(name):
        return ""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    kept = [c for c in text if unicodedata.category(c)[0] in "LNM" and ord(c) not in MARKS]
    return "".join(kept) if _is_name(text) else ""


def _is_name(text: str) -> bool:
    words = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in text).split()
    letters = [c for c in text if unicodedata.category(c)[0] == "L"]
    spelt = sum(any(unicodedata.category(c)[0] == "L" for c in word) for word in words)
    if re.search(r"\d{3}", text):
        return False
    # in a script without case a letter is a syllable or a word: two of them are a name
    return spelt >= 2 or len(letters) >= 4 or sum(unicodedata.category(c) == "Lo" for c in letters) >= 2
