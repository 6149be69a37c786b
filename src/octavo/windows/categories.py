"""Categories as values of a lane: hashes that travel as float64, compared by their bits.

This module knows nothing of texts: who needs them back keeps a dictionary from hash to text.
"""

import numpy as np

QUIET = np.uint64(~(1 << 62) & (2**64 - 1))
"""All bits but 62, the highest of a float64's exponent: without it every number is finite."""


def category_bits(hashes: np.ndarray) -> np.ndarray:
    """Carry 64-bit hashes (``hash_key`` of one text column) as float64 values.

    Parameters
    ----------
    hashes
        uint64 (rows,).

    Returns
    -------
    numpy.ndarray
        float64 (rows,), finite: the hashes with bit 62 cleared, reinterpreted.
    """
    return (np.asarray(hashes, np.uint64) & QUIET).view(np.float64)


def category_hashes(values: np.ndarray) -> np.ndarray:
    """Take hashes back out of values, bit 62 cleared: what a dictionary to texts is keyed by.

    Parameters
    ----------
    values
        float64 (rows,), from ``category_bits`` or a result of ``fold``; a null (NaN) there comes
        back as a number no category has.

    Returns
    -------
    numpy.ndarray
        uint64 (rows,).
    """
    return np.ascontiguousarray(values, np.float64).view(np.uint64)
