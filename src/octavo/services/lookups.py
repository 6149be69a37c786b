"""Features of rows that are asked about, and no prediction: of events, or of entities at a time."""

import asyncio

import polars as pl

from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.services.models import Model
from octavo.services.questions import Question
from octavo.stages.prep.entities import of_entities
from octavo.stages.prep.request_time import Answer


async def look_up(model: Model, question: Question) -> Answer:
    """Return the features that a model needs, as it is served them.

    Raises
    ------
    DataError
        As `OnlineFeatures.answer` and `octavo.stages.prep.entities.of_entities` do.
    BehindError
        If the features have not seen in time what they were to see.
    """
    await model.wait_for(question.asked.wait_for)
    return await asyncio.to_thread(_looked_up, model, question)


def _looked_up(model: Model, question: Question) -> Answer:
    scorer, source = model.scorer, model.decoder.frame(question.asked.events)
    if question.at is None:
        return scorer.features.answer(source)
    return of_entities(scorer.features, source, question.given, question.at)


def as_served(model: Model, answer: Answer) -> pl.DataFrame:
    """Return who was asked about, and as ``features`` what the model takes, in its order."""
    stamps = pl.col(EVENT_ID).alias("event_id"), pl.col(EVENT_TIME).alias("event_time")
    return answer.features.select(*stamps, pl.struct(list(model.features)).alias("features"))
