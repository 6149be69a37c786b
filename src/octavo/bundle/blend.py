"""Several models as one, each with its own encoding of the row: a weighted mean, or a stack.

Sources: Caruana et al., Ensemble Selection from Libraries of Models (2004), for why a mean of
predictions; Wolpert, Stacked Generalization (1992). How weights are found is training's to know.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from octavo.bundle.arrays import Arrays
from octavo.bundle.columns import EncodedColumn
from octavo.bundle.encoders import Encoder
from octavo.bundle.model import FORMS, Model, broken


@dataclass(frozen=True, eq=False)
class Members(Model):
    """Several models over parts of one encoded matrix, and what each weighs."""

    members: tuple[Model, ...]
    begins: tuple[int, ...]
    """For each member the first column of the encoded matrix that it reads."""
    weights: np.ndarray
    """Shape (members,), positive."""

    dtypes: ClassVar = {"weights": np.float64}

    @property
    def n_outputs(self) -> int:
        """Those of its members."""
        return self.members[0].n_outputs if self.members else 0

    def _check(self) -> None:
        count = len(self.members)
        if not count or len(self.begins) != count or self.weights.shape != (count,):
            raise broken("members, columns and weights differ in number")
        if not (self.weights > 0).all():
            raise broken("a weight is not positive")
        for begin, member in zip(self.begins, self.members, strict=True):
            if not 0 <= begin <= self.n_features - member.n_features:
                raise broken("a member reads columns that do not exist")
            if member.kind != self.kind or member.n_outputs != self.n_outputs:
                raise broken("the members do not predict the same")

    def _predicted(self, X: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
        """Give for each member its weight and what it predicts, shape (n, n_outputs)."""
        for begin, member, weight in zip(self.begins, self.members, self.weights, strict=True):
            predicted = member.predict(X[:, begin : begin + member.n_features])
            yield weight, predicted.reshape(len(X), self.n_outputs)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return its own arrays, and the members', numbered."""
        of_members = {
            f"{number}.{name}": array
            for number, member in enumerate(self.members)
            for name, array in member.arrays().items()
        }
        return super().arrays() | of_members

    def meta(self) -> dict[str, Any]:
        """Return what is not an array, the members' too."""
        members = [member.meta() for member in self.members]
        return super().meta() | {"begins": list(self.begins), "members": members}

    @classmethod
    def of_parts(cls, parts: Mapping[str, Any]) -> Self:
        """Build it, and its members, from what `meta` and `arrays` gave."""
        members = []
        for number, meta in enumerate(parts["members"]):
            prefix = f"{number}."
            arrays = {k.removeprefix(prefix): a for k, a in parts.items() if k.startswith(prefix)}
            members.append(Model.of(meta, arrays))
        own = {name: part for name, part in parts.items() if "." not in name}
        return super().of_parts(own | {"members": tuple(members), "begins": tuple(parts["begins"])})


@dataclass(frozen=True, eq=False)
class BlendModel(Members):
    """A weighted mean of its members' predictions; that is its raw score, too.

    The weights are of sum 1.
    """

    form = "blend"

    def _check(self) -> None:
        super()._check()
        if abs(self.weights.sum() - 1) > 1e-9:
            raise broken("the weights are no shares")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        out[:] = 0.0
        for weight, predicted in self._predicted(X):
            out += weight * predicted

    def _link(self, scores: np.ndarray) -> None:
        """Leave them as they are: the members' predictions were averaged."""


@dataclass(frozen=True, eq=False)
class StackModel(Members):
    """A weighted sum of its members' scores, and an intercept for each output.

    A member's score is the log-odds of its probability, the logarithm of each class's, or its
    value: see `scores_of`.
    """

    intercept: np.ndarray
    """Shape (n_outputs,)."""

    form = "stack"
    dtypes: ClassVar = {**Members.dtypes, "intercept": np.float64}

    def _check(self) -> None:
        super()._check()
        if self.intercept.shape != (self.n_outputs,):
            raise broken(f"an intercept of shape {self.intercept.shape} does not fit")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        out[:] = self.intercept
        for weight, predicted in self._predicted(X):
            out += weight * scores_of(self.kind, predicted)


FORMS |= {form.form: form for form in (BlendModel, StackModel)}


def scores_of(kind: str, predicted: np.ndarray) -> np.ndarray:
    """Return predictions as the scores that a stack adds up.

    Parameters
    ----------
    predicted
        Shape (n, outputs): probabilities, of which none is nearer than 10⁻¹² to 0 or 1, or values.

    Returns
    -------
    numpy.ndarray
        float64, of the same shape; the same bits for a row alone and among others.
    """
    from octavo.bundle import probabilities

    scores = np.array(predicted, np.float64, order="C")
    if kind == "binary":
        probabilities.log_odds(scores)
    elif kind == "multiclass":
        probabilities.logarithms(scores)
    return scores


@dataclass(frozen=True)
class JoinedEncoder:
    """Several encoders side by side, for models of which each reads the columns of one."""

    encoders: "tuple[Encoder | JoinedEncoder, ...]"

    flavour: ClassVar = "joined"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the output columns; a name may come several times."""
        return tuple(name for encoder in self.encoders for name in encoder.names)

    @cached_property
    def schema(self) -> dict[str, str]:
        """Input columns and their dtypes in training."""
        return {name: dtype for each in self.encoders for name, dtype in each.schema.items()}

    @property
    def texts(self) -> list[str]:
        """Input columns that are read as n-grams."""
        return list(dict.fromkeys(name for each in self.encoders for name in each.texts))

    def transform(self, frame: pl.DataFrame) -> np.ndarray:
        """Encode a frame; see `Encoder.transform`."""
        return np.hstack([encoder.transform(frame) for encoder in self.encoders])

    def transform_arrays(self, given: Arrays) -> np.ndarray:
        """Encode features given as arrays; see `Encoder.transform_arrays`."""
        return np.hstack([encoder.transform_arrays(given) for encoder in self.encoders])

    is_plain: ClassVar = False
    """A row is encoded several times."""

    def to_dict(self) -> dict[str, Any]:
        """Write the encoders as plain values, for JSON."""
        return {"flavour": self.flavour, "encoders": [each.to_dict() for each in self.encoders]}

    @property
    def columns(self) -> tuple[EncodedColumn, ...]:
        """What encodes each input, encoder by encoder."""
        return tuple(column for each in self.encoders for column in each.columns)

    @classmethod
    def of_parts(cls, parts: Mapping[str, Any]) -> "JoinedEncoder":
        """Read what `to_dict` wrote."""
        return cls(tuple(encoder_of(each) for each in parts["encoders"]))


def encoder_of(parts: Mapping[str, Any]) -> Encoder | JoinedEncoder:
    """Build the encoder, or the encoders, of which ``to_dict`` wrote ``parts``."""
    if parts.get("flavour") == JoinedEncoder.flavour:
        return JoinedEncoder.of_parts(parts)
    return Encoder.from_dict(parts)


Part = tuple[Encoder | JoinedEncoder, Model]
"""A model, and what makes the matrix that it reads."""


def blended(parts: Sequence[Part], weights: np.ndarray) -> tuple[JoinedEncoder, BlendModel]:
    """Put models with their encoders together as a mean; equal encoders become one.

    Parameters
    ----------
    weights
        Positive, one for each; only their relations count.
    """
    encoder, members = _joined(parts)
    return encoder, BlendModel(**members, weights=weights / weights.sum())


def stacked(
    parts: Sequence[Part], weights: np.ndarray, intercept: np.ndarray
) -> tuple[JoinedEncoder, StackModel]:
    """Put models with their encoders together as a stack; equal encoders become one."""
    encoder, members = _joined(parts)
    return encoder, StackModel(**members, weights=weights, intercept=intercept)


def _joined(parts: Sequence[Part]) -> tuple[JoinedEncoder, dict[str, Any]]:
    """Return the encoders side by side, and what `Members` says of models over them."""
    encoders: dict[str, Encoder | JoinedEncoder] = {}
    keys = []
    for encoder, _ in parts:
        key = repr(encoder.to_dict())
        encoders.setdefault(key, encoder)
        keys.append(key)
    places = np.cumsum([0, *(len(encoder.names) for encoder in encoders.values())])
    begin = dict(zip(encoders, places.tolist(), strict=False))
    return JoinedEncoder(tuple(encoders.values())), {
        "kind": parts[0][1].kind,
        "n_features": int(places[-1]),
        "members": tuple(model for _, model in parts),
        "begins": tuple(begin[key] for key in keys),
    }
