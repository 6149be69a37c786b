"""The door: what something was made of, what came of it, and what a window of a prediction saw."""

import difflib
import json
from typing import Any, NamedTuple

import polars as pl

from octavo.definition import Pipeline
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, TIMESTAMP
from octavo.errors import DataError, DefinitionError
from octavo.services.audit import entries
from octavo.services.lineage.back import Back
from octavo.services.lineage.forward import Forward, Used
from octavo.services.lineage.graph import Graph, Node, document
from octavo.services.lineage.records import CANDIDATE, DEPLOYMENT, Records, told
from octavo.services.lineage.sight import Place, just_before, prepped, recorded
from octavo.services.lineage.uses import Uses
from octavo.stages.prep.lanes import event_schemas
from octavo.stages.prep.seen import Question, Seen, SeenBy
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home
from octavo.stores.predictions import PredictionStore
from octavo.stores.raw import RawStore

_PREDICTION = ("at", "deployment_id", "candidate_id", "variant", "origin", "prediction")
_READ = (*_PREDICTION, EVENT_ID, EVENT_TIME, "positions")
"""What is read of a prediction to trace it."""
_OF_ROWS = "batch"
"""The origin of predictions for prepped rows."""


class Traced(NamedTuple):
    """What was found of something."""

    root: str
    """Its node, which is in both graphs."""
    behind: Graph
    """What it was made of."""
    after: Graph
    """What came of it."""

    @property
    def node(self) -> Node:
        """The root."""
        return self.behind.nodes[self.root]

    def came(self, kind: str) -> list[Node]:
        """Return what of a kind came of it."""
        return [node for node in self.after.nodes.values() if node.kind == kind]

    def document(self) -> dict[str, Any]:
        """Return all of it as ``root``, ``nodes`` and ``edges``."""
        return {"root": self.root, **document(self.behind, self.after)}


class Window(NamedTuple):
    """What a window feature of a prediction saw."""

    view: str
    dataset: str
    rows: pl.DataFrame
    """As of `octavo.stages.prep.seen.Seen`."""
    served: Any
    """The feature as it was served; None too if features were not kept."""
    again: Any
    """The feature computed of these rows alone."""


class Lineage:
    """Lineage of whatever has an ID in one home. Reads stores; writes nothing."""

    def __init__(self, pipeline: Pipeline, home: Home, catalog: Catalog) -> None:
        self._pipeline, self._catalog = pipeline, catalog
        self._records = Records(pipeline, catalog)
        self._predictions, self._raw = PredictionStore(home), RawStore(home)

    def of(self, id_: str, *, back: bool = True, forward: bool = True) -> Traced:
        """Return what something was made of, and what came of it.

        Parameters
        ----------
        id_
            Of a batch, feature group, data version, run, candidate, deployment or prediction; or of
            an event.

        Raises
        ------
        DefinitionError
            If nothing is called so.
        """
        found = self._records.find(id_)
        if found is None:
            return self._logged(id_, back=back, forward=forward)
        (kind, row), behind, after = found, Graph(), Graph()
        for graph in (behind, after):
            graph.add(kind, id_, **told(kind, row))
        if kind in (CANDIDATE, DEPLOYMENT):
            behind.nodes[id_].about["decisions"] = self._decisions(row)
        if back:
            Back(behind, self._records).of(kind, row)
        if forward:
            Forward(after, self._records, self._predictions.answered, self.counted).of(kind, row)
        return Traced(id_, behind, after)

    def using(self, batch_id: str) -> pl.DataFrame:
        """Return the predictions that used a batch: see `octavo.services.lineage.uses`.

        Raises
        ------
        DefinitionError
            If there is no such batch.
        """
        if batch_id not in self._records.batches:
            raise DefinitionError.unknown("batch", batch_id, self._records.batches)
        return self._uses().of(self._records.batches[batch_id])

    def counted(self, batch: Row) -> Used:
        """Return how many predictions of each deployment used a batch, and how."""
        found = (
            self._uses()
            .of(batch)
            .group_by("deployment_id")
            .agg(pl.len().alias("used"), pl.col("features").sum(), pl.col("event").sum())
        )
        rows = found.sort("deployment_id").iter_rows(named=True)
        return {row.pop("deployment_id"): row for row in rows}

    def window(self, prediction_id: str, feature: str) -> Window:
        """Return the raw rows that one window feature of a prediction saw.

        Raises
        ------
        DefinitionError
            If there is no such prediction, or no such window feature.
        DataError
            If the feature was made anew since, or the prediction did not ask the store for it.
        """
        found = self._predictions.find("prediction_id", prediction_id)
        if not found.height:
            raise DefinitionError(f"there is no prediction {prediction_id!r}.", fix=_SOON)
        (prediction,) = _rows(found)
        by = SeenBy(self._pipeline, self._catalog, self._raw, feature)
        if prediction["at"] < by.group.last["committed_at"]:
            raise DataError(
                f"{feature} was made anew since.",
                where=f"prediction {prediction_id}",
                fix="What the features of that time saw can no longer be computed.",
            )
        seen: Seen = by.seen(self._question(prediction, by))
        served = json.loads(prediction["features"] or "{}").get(feature)
        return Window(by.view.name, by.dataset.name, seen.rows, served, seen.value)

    def _uses(self) -> Uses:
        parts = self._pipeline, self._catalog, self._records, self._raw, self._predictions
        return Uses(*parts)

    def _decisions(self, row: Row) -> list[Row]:
        """Return the events that tell who decided what of a candidate, and why, oldest first."""
        found = entries(self._catalog, subject=row["candidate_id"])
        of = row.get("deployment_id")
        named = ("at", "actor", "kind", "subject")
        return [
            {name: event[name] for name in named} | {"reason": event["document"].get("reason")}
            for event in found
            if of is None or event["document"].get("deployment", of) == of
        ]

    def _logged(self, id_: str, *, back: bool, forward: bool) -> Traced:
        """Return the lineage of a prediction, or of an event: its rows and its predictions."""
        found, behind, after = self._predictions.find("prediction_id", id_, _READ), Graph(), Graph()
        if found.height:
            (prediction,) = _rows(found)
            for graph in (behind, after):
                _add(graph, prediction)
            if back:
                self._behind(behind, prediction)
            return Traced(id_, behind, after)
        rows = [self._raw.of_event(d.name, id_) for d in self._pipeline.datasets]
        predictions = self._predictions.find(EVENT_ID, id_, _READ)
        if not predictions.height and not any(each.height for each in rows):
            raise self._unknown(id_)
        root, backwards = f"event {id_}", Back(behind, self._records)
        for graph in (behind, after):
            graph.add("event", root, event_id=id_)
        for batch, position in self._placed(*rows) if back else ():
            behind.link(backwards.row(batch, position), root, "told by")
        for prediction in _rows(predictions) if forward else ():
            after.link(root, _add(after, prediction), "about")
        return Traced(root, behind, after)

    def _behind(self, graph: Graph, prediction: Row) -> None:
        """Add what a prediction was made of."""
        id_, behind = prediction["prediction_id"], Back(graph, self._records)
        own = self._own(prediction)
        for batch, position in self._placed(own):
            graph.link(behind.row(batch, position), id_, "about")
        behind.seen(id_, _places(prediction, own), prediction["at"])
        deployment = self._records.deployments.get(prediction["deployment_id"])
        if deployment is not None:
            graph.link(behind.add(DEPLOYMENT, deployment), id_, "answered by")

    def _own(self, prediction: Row) -> pl.DataFrame:
        """Return where the raw rows of a prediction's event are; none if it has not come yet."""
        return self._raw.of_event(self._pipeline.rows.name, prediction[EVENT_ID] or "")

    def _placed(self, *places: pl.DataFrame) -> list[tuple[Row, int]]:
        """Return batch and position of raw rows, without those of batches that never counted."""
        rows = pl.concat(places).select("_batch_id", POSITION).iter_rows()
        batches = self._records.batches
        return [(batches[id_], position) for id_, position in rows if id_ in batches]

    def _question(self, prediction: Row, by: SeenBy) -> Question:
        own = self._own(prediction)
        places = _places(prediction, own, by.group.group_id)
        if by.view.name not in places:
            raise DataError(
                f"it did not ask for features of {by.view.name}: they came with the request, or "
                "others held them.",
                where=f"prediction {prediction['prediction_id']}",
                fix="Ask for a feature that it was answered from.",
            )
        place, is_prepped = places[by.view.name], prediction["origin"] == _OF_ROWS
        return Question(self._asking(prediction, own, by), place, is_prepped)

    def _asking(self, prediction: Row, own: pl.DataFrame, by: SeenBy) -> pl.DataFrame:
        """Return the row that was asked for, as it came in; or what the log kept of it."""
        rows = self._pipeline.rows
        for batch, position in self._placed(own)[:1]:
            at = pl.col(POSITION) == position
            found = [e.filter(at).collect() for e in self._raw.versions(rows.name, [batch])]
            return self._raw.events_of(rows, pl.concat(found, how="diagonal_relaxed"))
        types = event_schemas(self._pipeline, self._catalog)[rows.name]
        kept = json.loads(prediction["entities"] or "{}")
        keys = {c: pl.Series([kept.get(c)]).cast(types[c]) for c in by.view.query_key}
        at = pl.lit(prediction[EVENT_TIME], dtype=pl.Int64).cast(TIMESTAMP)
        return pl.DataFrame(keys).with_columns(at.alias(EVENT_TIME))

    def _unknown(self, id_: str) -> DefinitionError:
        near = difflib.get_close_matches(id_, self._records.names, n=2)
        fix = f"Did you mean {' or '.join(map(repr, near))}?" if near else _SOON
        return DefinitionError(
            "it is the ID of no batch, feature group, data version, run, candidate, deployment, "
            "prediction or event.",
            where=repr(id_),
            fix=fix,
        )


_SOON = "A prediction is found a second or two after it was answered, while `octavo up` runs."


def _places(prediction: Row, own: pl.DataFrame, group: str | None = None) -> dict[str, Place]:
    """Return how far in the log each view had come for a prediction, or one group of it.

    Parameters
    ----------
    own
        Where the raw rows of its event are: before the first of them lies what a prepped row saw.
    """
    if prediction["origin"] != _OF_ROWS:
        return recorded(prediction["positions"], group)
    if not own.height:
        return {}
    first = own.with_columns(pl.col(KNOWN_AT).cast(pl.Int64)).row(0, named=True)
    place = just_before(first[KNOWN_AT], first[POSITION])
    return dict.fromkeys(prepped(prediction["positions"]), place)


def _add(graph: Graph, prediction: Row) -> str:
    """Add a prediction; return its ID."""
    about = {name: prediction[name] for name in _PREDICTION}
    times = {"event_id": prediction[EVENT_ID], "event_time": prediction[EVENT_TIME]}
    graph.add("prediction", prediction["prediction_id"], **times, **about)
    return prediction["prediction_id"]


def _rows(predictions: pl.DataFrame) -> list[Row]:
    """Return predictions with their times as microseconds since the epoch."""
    return predictions.with_columns(pl.col(EVENT_TIME, "at").cast(pl.Int64)).to_dicts()
