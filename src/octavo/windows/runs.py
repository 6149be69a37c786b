"""Merging sorted runs of observations, in numba. Knows nothing of what the columns mean."""

import numba as nb
import numpy as np

from octavo.windows.compiling import entry

KEYS = nb.types.Array(nb.uint64, 1, "C", readonly=True)
FIELD = nb.types.Array(nb.int64, 1, "C", readonly=True)
RUN = [KEYS, FIELD, FIELD, FIELD]


@entry(nb.int64[::1](*RUN, *RUN))
def merge_order(key, first, second, third, other_key, other_first, other_second, other_third):
    """Order that merges two runs sorted by (key, first, second, third).

    Returns indices into the first run followed by the second; equal rows keep that order.
    """
    order = np.empty(key.size + other_key.size, np.int64)
    i, j = 0, 0
    for k in range(order.size):
        if i == key.size:
            take_other = True
        elif j == other_key.size or key[i] != other_key[j]:
            take_other = j < other_key.size and other_key[j] < key[i]
        elif first[i] != other_first[j]:
            take_other = other_first[j] < first[i]
        elif second[i] != other_second[j]:
            take_other = other_second[j] < second[i]
        else:
            take_other = other_third[j] < third[i]
        if take_other:
            order[k] = key.size + j
            j += 1
        else:
            order[k] = i
            i += 1
    return order
