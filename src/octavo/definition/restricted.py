"""A definition with some of its features alone: as an earlier one was that had no others."""

import dataclasses
from collections.abc import Sequence

from octavo.definition.evaluation import Evaluation
from octavo.definition.expressions import output_name
from octavo.definition.pipeline import Pipeline
from octavo.definition.versions import needed_columns


@dataclasses.dataclass(frozen=True, eq=False)
class _Restricted(Pipeline):
    kept: tuple[str, ...] = ()
    """The features it has; a window may give more."""

    @property
    def features(self) -> list[str]:
        return [name for name in super().features if name in self.kept]


def restricted(pipeline: Pipeline, features: Sequence[str]) -> Pipeline:
    """Return a definition whose models see some features, and nothing else.

    Parameters
    ----------
    features
        Some of the definition's, in the order in which models see them.
    """
    training = pipeline.training
    wanted = {*features, *(f for f in pipeline.features if f == training.weights)}
    needed = wanted | needed_columns(pipeline, wanted)
    kept = [name for name in pipeline.features if name in needed]
    views = [v for v in pipeline.views if needed & {feature.name for feature in v.features}]
    changed = {
        "row": [e for e in pipeline.row if output_name(e, where="Pipeline.row") in kept],
        "derived": [
            e for e in pipeline.derived if output_name(e, where="Pipeline.derived") in wanted
        ],
        "views": views,
        "inputs": list(features),
        "evaluation": Evaluation(),
        "training": dataclasses.replace(
            training,
            monotone={name: sign for name, sign in training.monotone.items() if name in needed},
            encodings={name: how for name, how in training.encodings.items() if name in needed},
        ),
        "texts": {name: how for name, how in pipeline.texts.items() if name in kept},
    }
    given = {field.name: getattr(pipeline, field.name) for field in dataclasses.fields(Pipeline)}
    return _Restricted(**given | changed, kept=tuple(kept))
