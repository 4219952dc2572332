"""Invented names of people: no two identities of a world share one."""

from __future__ import annotations

from pipeline.synthetic.seeds import seed_of
from pipeline.synthetic.world import PARTS, Part

FIRST = (
    *("Ada", "Bela", "Cato", "Dara", "Elio", "Fenna", "Goro", "Hana", "Ilse", "Jano", "Kaia", "Levi"),
    *("Mara", "Nilo", "Odile", "Pavo", "Quinn", "Rhea", "Sune", "Tova", "Ugo", "Vera", "Wim", "Xenia"),
    *("Yara", "Zeno", "Arno", "Bruna", "Cleo", "Dov", "Enzo", "Freya", "Gita", "Hugo", "Iris", "Juna"),
    *("Kian", "Lotte", "Milo", "Nola", "Otis", "Petra", "Rafa", "Sanna", "Timo", "Uma", "Vito", "Wanda"),
    *("Xavi", "Yoko", "Zora", "Anik", "Bodo", "Celia", "Dunja", "Emil", "Flora", "Gero", "Heidi", "Ivo"),
    *("Jule", "Kofi", "Lea", "Marek"),
)
ONSETS = (
    "Bar",
    "Cor",
    "Del",
    "Fan",
    "Gar",
    "Hol",
    "Jan",
    "Kel",
    "Lan",
    "Mor",
    "Nor",
    "Pel",
    "Ros",
    "Sal",
    "Tan",
    "Vel",
)
MIDDLES = ("a", "be", "do", "e", "fi", "go", "i", "ka", "le", "mi", "no", "o", "ra", "se", "ti", "u")
ENDS = (
    "berg",
    "court",
    "da",
    "dim",
    "ford",
    "gan",
    "kin",
    "land",
    "mann",
    "nov",
    "quist",
    "ras",
    "son",
    "tani",
    "vik",
    "zar",
)
_STRIDE = 48_271  # odd and no factor of the number of names: neighbours get unlike names


def count() -> int:
    """How many names there are: enough for four parts of a million identities."""
    return len(FIRST) * len(ONSETS) * len(MIDDLES) * len(ENDS) * len(MIDDLES)


def name_of(world_seed: int, part: Part, index: int) -> str:
    """The name of an identity: of the identity, not of the person, who may have several."""
    slot = index * len(PARTS) + PARTS.index(part)
    number = (slot * _STRIDE + seed_of(world_seed, "names")) % count()
    syllables = []
    for words in (FIRST, ONSETS, MIDDLES, MIDDLES, ENDS):
        number, rest = divmod(number, len(words))
        syllables.append(words[rest])
    first, *last = syllables
    return f"{first} {''.join(last)}"
