"""The one window kernel and its plans.

`fold` answers queries over a log in bulk, a `LiveLane` block after block, `ask` and `evaluate` the
requests that are no part of it. All give the same bits. Nothing is compiled, and numba not
imported, before the first of them is called.

To read: `plan` says what is computed, `log` on what. In bulk `kernel` is the door: it groups
(`grouping`, `entity`), and for each entity ranks (`ranks`), bounds windows (`reach`), orders
queries (`pieces`) and folds: `sweep` counts, sums (`exact`) and extremes, `heavy` all else
(`codes`, `tallies`, `quantiles`, `decay`). Live: `live` over `resident` over `arenas`. Requests:
`asking`. Rounded windows: `tiles` is what a store gives, `tile` one record as it is read, `tiling`
makes records, with `sketches`. Values: `hashing`, `categories`. Compilation: `compiling`,
`first_use`, `machine`.
"""

from octavo.windows.asking import ask, evaluate, own_events
from octavo.windows.categories import category_bits, category_hashes
from octavo.windows.hashing import hash_key, hash_keys, hash_one
from octavo.windows.kernel import fold
from octavo.windows.live import LiveLane, TiledLane
from octavo.windows.log import NEVER, Observations, Queries
from octavo.windows.plan import (
    HEAVY,
    OF_CATEGORIES,
    Aggregate,
    LanePlan,
    PlanColumn,
    Span,
    TilePlan,
)
from octavo.windows.tiles import Past, Tiles

__all__ = [
    "HEAVY",
    "NEVER",
    "OF_CATEGORIES",
    "Aggregate",
    "LanePlan",
    "LiveLane",
    "Observations",
    "Past",
    "PlanColumn",
    "Queries",
    "Span",
    "TilePlan",
    "TiledLane",
    "Tiles",
    "ask",
    "category_bits",
    "category_hashes",
    "evaluate",
    "fold",
    "hash_key",
    "hash_keys",
    "hash_one",
    "own_events",
]
