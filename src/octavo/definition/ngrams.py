"""How a text is read as n-grams: what is counted, and how many columns that may give."""

from dataclasses import dataclass
from typing import Literal

from octavo.definition.arguments import instance, whole_number
from octavo.definition.fingerprint import Declaration
from octavo.definition.names import one_of
from octavo.errors import DefinitionError

MOST = 2000
"""Columns at the most that one text becomes: they are dense, 8 bytes a row each."""
LONGEST = 8
"""Words or letters in an n-gram at the most."""


@dataclass(frozen=True, eq=False)
class Ngrams(Declaration):
    """A text as weights of the words, or pieces of words, in it; learned from training rows alone.

    By default the `limit` n-grams whose presence varies most are kept, and weighed by TF-IDF.
    With ``hashed`` nothing is learned: each n-gram counts in one of `limit` columns, told by its
    hash. A row's weights have length 1 (Euclidean), or are all 0.
    """

    of: Literal["words", "letters"] = "words"
    """``words``: runs of letters, marks, digits and connecting signs. ``letters``: pieces of what
    is between blanks, a blank put before and behind it."""
    lengths: int | tuple[int, int] = 1
    """How many words or letters an n-gram has: a number, or the least and the most."""
    limit: int = 200
    """Columns at the most."""
    hashed: bool = False

    def __post_init__(self) -> None:
        one_of(self.of, ("words", "letters"), where="Ngrams.of")
        given = self.lengths
        instance(given, (int, tuple, list), where="Ngrams.lengths")
        single = isinstance(given, int)
        lengths = (given, given) if single else tuple(given)  # type: ignore[arg-type]
        if len(lengths) != 2:
            raise DefinitionError(
                f"{given!r} is not a least and a most.", where="Ngrams.lengths", fix="Use (1, 2)."
            )
        for each in lengths:
            whole_number(each, least=1, where="Ngrams.lengths")
        if not lengths[0] <= lengths[1] <= LONGEST:
            raise DefinitionError(
                f"{given!r} does not rise, or goes beyond {LONGEST}.",
                where="Ngrams.lengths",
                fix="Use (1, 2) for words, (3, 5) for letters.",
            )
        object.__setattr__(self, "lengths", lengths)
        whole_number(self.limit, least=1, where="Ngrams.limit")
        if self.limit > MOST:
            raise DefinitionError(
                f"{self.limit} columns are more than {MOST}.",
                where="Ngrams.limit",
                fix="Use less: trees gain little from rare words.",
            )
        instance(self.hashed, bool, where="Ngrams.hashed")
