"""What the benchmarks share: a claim, the peer's environment, processes measured from outside.

It knows nothing of Octavo but the one stream of events and the one plan in `stream`, and the one
deployed model in `deployed`.
"""

from harness.beside import Beside, in_turn
from harness.claim import Claim, medians
from harness.environment import environment
from harness.process import measured, peak

__all__ = ["Beside", "Claim", "environment", "in_turn", "measured", "medians", "peak"]
