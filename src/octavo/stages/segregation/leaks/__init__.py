"""Leaks: what a model could learn from that it will not have when it is asked.

Pure functions over a frame, for a data version as for raw tables. A finding is a suspicion with its
reason, not a proof: only who knows the data can say when a value was written. Nothing is removed.

What single columns give away is looked at in training rows alone, so that test stays unread; that
rows are in two parts, or that an encoding knows all of them, can only be seen in all.

Of a large table a sample may be given (`Examined.frame`). What holds over all rows alone, encodings
and scaling, is then looked for in `Examined.whole`, one float column at a time, and only in columns
that the sample does not rule out; rows and entities in two parts are those of the sample.
"""

from octavo.stages.segregation.leaks.afterwards import recorded_later
from octavo.stages.segregation.leaks.find import find_leaks
from octavo.stages.segregation.leaks.finding import KINDS, Examined, Leak, Whole

__all__ = ["KINDS", "Examined", "Leak", "Whole", "find_leaks", "recorded_later"]
