"""A weighted mean of what several models predict, each from its own encoding of the row.

Source: Caruana et al., Ensemble Selection from Libraries of Models (2004), for why a mean of
predictions; how the weights are chosen is training's to know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl

from octavo.bundle.encoders import Encoder
from octavo.bundle.model import FORMS, Model, broken


@dataclass(frozen=True, eq=False)
class BlendModel(Model):
    """A weighted mean of its members' predictions; that is its raw score, too."""

    members: tuple[Model, ...]
    begins: tuple[int, ...]
    """For each member the first column of the encoded matrix that it reads."""
    weights: np.ndarray
    """Shape (members,), positive, of sum 1."""

    form = "blend"
    dtypes: ClassVar = {"weights": np.float64}

    @property
    def n_outputs(self) -> int:
        """Those of its members."""
        return self.members[0].n_outputs if self.members else 0

    def _check(self) -> None:
        count = len(self.members)
        if not count or len(self.begins) != count or self.weights.shape != (count,):
            raise broken("members, columns and weights differ in number")
        if not (self.weights > 0).all() or abs(self.weights.sum() - 1) > 1e-9:
            raise broken("the weights are no shares")
        for begin, member in zip(self.begins, self.members, strict=True):
            if not 0 <= begin <= self.n_features - member.n_features:
                raise broken("a member reads columns that do not exist")
            if member.kind != self.kind or member.n_outputs != self.n_outputs:
                raise broken("the members do not predict the same")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        out[:] = 0.0
        for begin, member, weight in zip(self.begins, self.members, self.weights, strict=True):
            predicted = member.predict(X[:, begin : begin + member.n_features])
            out += weight * predicted.reshape(out.shape)

    def _link(self, scores: np.ndarray) -> None:
        """Leave them as they are: the members' predictions were averaged."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights, and the members' arrays, numbered."""
        of_members = {
            f"{number}.{name}": array
            for number, member in enumerate(self.members)
            for name, array in member.arrays().items()
        }
        return {"weights": self.weights} | of_members

    def meta(self) -> dict[str, Any]:
        """Return what is not an array, the members' too."""
        members = [member.meta() for member in self.members]
        return super().meta() | {"begins": list(self.begins), "members": members}

    @classmethod
    def of_parts(cls, parts: Mapping[str, Any]) -> "BlendModel":
        """Build it, and its members, from what `meta` and `arrays` gave."""
        members = []
        for number, meta in enumerate(parts["members"]):
            prefix = f"{number}."
            arrays = {k.removeprefix(prefix): a for k, a in parts.items() if k.startswith(prefix)}
            members.append(Model.of(meta, arrays))
        return cls(
            kind=parts["kind"],
            n_features=parts["n_features"],
            members=tuple(members),
            begins=tuple(parts["begins"]),
            weights=parts["weights"],
        )


FORMS[BlendModel.form] = BlendModel


@dataclass(frozen=True)
class JoinedEncoder:
    """Several encoders side by side, for models of which each reads the columns of one."""

    encoders: tuple[Encoder, ...]

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

    def to_dict(self) -> dict[str, Any]:
        """Write the encoders as plain values, for JSON."""
        return {"flavour": self.flavour, "encoders": [each.to_dict() for each in self.encoders]}

    @classmethod
    def of_parts(cls, parts: Mapping[str, Any]) -> "JoinedEncoder":
        """Read what `to_dict` wrote."""
        return cls(tuple(Encoder.from_dict(each) for each in parts["encoders"]))


def blended(
    parts: Sequence[tuple[Encoder, Model]], weights: np.ndarray
) -> tuple[JoinedEncoder, BlendModel]:
    """Put models with their encoders together; equal encoders become one.

    Parameters
    ----------
    weights
        Positive, one for each; only their relations count.
    """
    encoders: dict[str, Encoder] = {}
    keys = []
    for encoder, _ in parts:
        key = repr(encoder.to_dict())
        encoders.setdefault(key, encoder)
        keys.append(key)
    places = np.cumsum([0, *(len(encoder.names) for encoder in encoders.values())])
    begin = dict(zip(encoders, places.tolist(), strict=False))
    model = BlendModel(
        kind=parts[0][1].kind,
        n_features=int(places[-1]),
        members=tuple(model for _, model in parts),
        begins=tuple(begin[key] for key in keys),
        weights=weights / weights.sum(),
    )
    return JoinedEncoder(tuple(encoders.values())), model
