"""What is kept of predictions that are served, and what an answered one outlives."""

from collections.abc import Mapping
from dataclasses import dataclass

from octavo.errors import DefinitionError

KILL, POWER = "kill", "power"
"""What a prediction that was answered outlives: a kill of the process, or a loss of power, too."""
DEFAULTS = {"log_features": "1", "log_largest": "65536", "log_outlives": KILL, "log_scored": "0.01"}


@dataclass(frozen=True)
class LogSettings:
    """How predictions that are served are logged. All are, each with its output."""

    features: float = 1.0
    """Share of requests, 0 to 1, of which also the features are kept."""
    largest: int = 65536
    """Bytes of one prediction's features and key, at the most; of a larger one they are not
    kept."""
    outlives: str = KILL
    """`KILL` or `POWER`."""
    scored: float = 0.01
    """Share of the rows of a batch score, 0 to 1, of which the features are kept."""

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> "LogSettings":
        """Return the settings that texts stand for, by the names in `DEFAULTS`.

        Raises
        ------
        DefinitionError
            If one is out of range, or no number.
        """
        known = {**DEFAULTS, **texts}
        features = _number(known["log_features"], "log_features", 1.0)
        largest = _number(known["log_largest"], "log_largest", float("inf"))
        outlives = known["log_outlives"]
        if outlives not in (KILL, POWER):
            raise DefinitionError.unknown("choice", outlives, (KILL, POWER), where="log_outlives")
        scored = _number(known["log_scored"], "log_scored", 1.0)
        return cls(features, int(largest), outlives, scored)


def _number(text: str, where: str, most: float) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most or found == float("inf"):
        least = "a number from 0 to 1" if most == 1 else "bytes, such as 65536"
        raise DefinitionError(f"{text!r} is not {least}.", where=where, fix="Correct it.")
    return found
