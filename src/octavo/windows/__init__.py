"""The one window kernel, its plans and its state.

``fold`` answers queries over a log; ``advance`` does the same piece by piece from a ``ViewState``;
``evaluate`` asks that state at any moment. All give the same bits. Nothing is compiled, and numba
not imported, before the first fold.
"""

from octavo.windows.categories import category_bits, category_hashes
from octavo.windows.hashing import hash_key, hash_keys, hash_one
from octavo.windows.kernel import fold
from octavo.windows.log import NEVER, Observations, Queries
from octavo.windows.plan import HEAVY, OF_CATEGORIES, Aggregate, LanePlan, PlanColumn, Span
from octavo.windows.state import LaneState, Step, ViewState, advance, evaluate

__all__ = [
    "HEAVY",
    "NEVER",
    "OF_CATEGORIES",
    "Aggregate",
    "LanePlan",
    "LaneState",
    "Observations",
    "PlanColumn",
    "Queries",
    "Span",
    "Step",
    "ViewState",
    "advance",
    "category_bits",
    "category_hashes",
    "evaluate",
    "fold",
    "hash_key",
    "hash_keys",
    "hash_one",
]
