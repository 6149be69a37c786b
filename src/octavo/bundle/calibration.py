"""Calibration: of rows told 20 %, about one in five should be positive.

A calibration turns a model's probabilities into others, row by row, to the same bits alone or among
others. None changes the order of rows, so figures that rank are the same before and after. Here are
their forms and their JSON; `octavo.bundle.finishing` learns them. Knows nothing of models.
"""

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from octavo.errors import DataError


@dataclass(frozen=True)
class Calibration(abc.ABC):
    """A rising function from a model's probability to the one that is told."""

    form: ClassVar[str]
    """The word for it in a bundle."""

    @abc.abstractmethod
    def apply(self, predicted: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float64, of the same shape."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {"form": self.form} | dataclasses.asdict(self)

    @staticmethod
    def of(parts: dict[str, Any] | None) -> "Calibration | None":
        """Build what `to_dict` gave; None of None.

        Raises
        ------
        DataError
            If it is of a form that this Octavo does not know.
        """
        if parts is None:
            return None
        form = FORMS.get(parts.get("form", ""))
        if form is None:
            raise DataError(
                f"the calibration is of the form {parts.get('form')!r}; known are "
                f"{', '.join(FORMS)}.",
                where="bundle.json",
                fix="Update Octavo.",
            )
        return form._from(parts)

    @classmethod
    def _from(cls, parts: dict[str, Any]) -> Self:
        return cls(**{field.name: parts[field.name] for field in dataclasses.fields(cls)})


@dataclass(frozen=True)
class Sigmoid(Calibration):
    """``logistic(slope × log-odds + intercept)``.

    Source: Platt, Probabilistic Outputs for Support Vector Machines (1999), on the log-odds.
    """

    slope: float
    """Positive."""
    intercept: float

    form = "sigmoid"

    def apply(self, predicted: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n,)."""
        from octavo.bundle import probabilities

        out = np.empty(predicted.size)
        probabilities.sigmoid(predicted, self.slope, self.intercept, out)
        return out


@dataclass(frozen=True)
class Isotonic(Calibration):
    """Straight lines between knots that rise strictly.

    Source: Oron and Flournoy, Centered Isotonic Regression (2017): the share of positives in
    blocks of rows, put at the middle of each block.
    """

    at: tuple[float, ...]
    """Probabilities of the model, rising strictly from 0 to 1."""
    told: tuple[float, ...]
    """What is told there, rising strictly."""

    form = "isotonic"

    def apply(self, predicted: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n,)."""
        from octavo.bundle import probabilities

        out = np.empty(predicted.size)
        probabilities.isotonic(predicted, np.asarray(self.at), np.asarray(self.told), out)
        return out

    @classmethod
    def _from(cls, parts: dict[str, Any]) -> Self:
        return cls(tuple(parts["at"]), tuple(parts["told"]))


@dataclass(frozen=True)
class Temperature(Calibration):
    """Of several classes ``p ^ (1 ÷ temperature)``, brought to a sum of 1.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017). The order of the classes
    of a row stays.
    """

    temperature: float
    """Positive; above 1 for a model that is too sure."""

    form = "temperature"

    def apply(self, predicted: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n, classes)."""
        from octavo.bundle import probabilities

        out = np.empty(predicted.shape)
        probabilities.tempered(np.ascontiguousarray(predicted), 1 / self.temperature, out)
        return out


FORMS: dict[str, type[Calibration]] = {form.form: form for form in (Sigmoid, Isotonic, Temperature)}
"""The forms that a bundle can hold."""
