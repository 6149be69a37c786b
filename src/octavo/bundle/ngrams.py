"""N-grams of texts, counted: for the encoders, and for profiles of texts.

Before all else a text is brought into Unicode form NFKC and into small letters. Null and empty
texts have no n-grams. What a word is: a run of what Unicode calls letters, marks, digits and
connecting signs. It knows nothing of training, weights or columns.
"""

from collections.abc import Iterator

import polars as pl

ROWS = 10_000
"""Texts taken apart at once; bounds memory and changes no result."""


def ngrams(texts: pl.Series, of: str, lengths: tuple[int, int]) -> Iterator[pl.DataFrame]:
    """Give the n-grams of texts, some rows at a time.

    Parameters
    ----------
    texts
        Strings.
    of
        ``words``, or ``letters`` of what is between blanks, a blank put at either end.
    lengths
        The least and the most number of words or letters in one.

    Yields
    ------
    polars.DataFrame
        ``row`` (Int64, from 0) and ``term`` (String): a line for each occurrence.
    """
    for start in range(0, texts.len(), ROWS):
        piece = texts.slice(start, ROWS)
        row = pl.int_range(start, start + piece.len(), dtype=pl.Int64, eager=True)
        plain = piece.str.normalize("NFKC").str.to_lowercase()
        words = plain.str.extract_all(r"\w+" if of == "words" else r"\S+")
        yield _joined(_units(row, words, of), " " if of == "words" else "", lengths)


def _units(row: pl.Series, words: pl.Series, of: str) -> pl.DataFrame:
    """Return words, or letters, one below the other; ``of`` says which of them may be joined."""
    found = pl.DataFrame({"row": row, "unit": words}).explode("unit").drop_nulls("unit")
    if of == "words":
        return found.with_columns(of="row")
    letters = pl.format(" {} ", "unit").str.split("")
    found = found.with_columns(letters.alias("unit"), pl.int_range(pl.len()).alias("of"))
    return found.explode("unit")


def _joined(units: pl.DataFrame, between: str, lengths: tuple[int, int]) -> pl.DataFrame:
    found = []
    for length in range(lengths[0], lengths[1] + 1):
        parts = [pl.col("unit").shift(-after) for after in range(length)]
        whole = pl.col("of") == pl.col("of").shift(1 - length)
        term = pl.when(whole).then(pl.concat_str(parts, separator=between))
        found.append(units.select("row", term.alias("term")).drop_nulls())
    return pl.concat(found)
