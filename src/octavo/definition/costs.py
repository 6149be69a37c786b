"""What a right and a wrong answer cost, and the yes or no that follows from it."""

import math
from dataclasses import dataclass

from octavo.definition.arguments import instance
from octavo.definition.fingerprint import Declaration
from octavo.errors import DefinitionError


@dataclass(frozen=True, eq=False)
class Costs(Declaration):
    """What each outcome of a yes-or-no answer costs, in any one unit; a gain is negative.

    Raises
    ------
    DefinitionError
        If a wrong answer costs no more than the right one: then one answer is always best.
    """

    false_positive: float
    """Of a yes that should have been a no."""
    false_negative: float
    """Of a no that should have been a yes."""
    true_positive: float = 0.0
    """Of a yes that is right, such as the price of acting on it."""
    true_negative: float = 0.0
    """Of a no that is right."""

    def __post_init__(self) -> None:
        for name in ("false_positive", "false_negative", "true_positive", "true_negative"):
            value = getattr(self, name)
            instance(value, (int, float), where=f"Costs.{name}")
            if not math.isfinite(value):
                raise DefinitionError(
                    f"{value} is no cost.", where=f"Costs.{name}", fix="Give a number."
                )
        for wrong, right in (
            ("false_positive", "true_negative"),
            ("false_negative", "true_positive"),
        ):
            if not getattr(self, wrong) > getattr(self, right):
                raise DefinitionError(
                    f"{wrong} costs no more than {right}, so one answer is always best.",
                    where="Costs",
                    fix=f"Make {wrong} larger than {right}.",
                )

    @property
    def has_gains(self) -> bool:
        """Whether an outcome costs less than nothing, so that no multiple of a cost is a target."""
        return min(self.true_positive, self.true_negative) < 0
