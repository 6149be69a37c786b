"""Every kind of event there is: the stage that it belongs to, and whether people are told of it."""

from typing import NamedTuple

STAGES = (
    "problem",
    "ingestion",
    "prep",
    "segregation",
    "training",
    "evaluation",
    "deployment",
    "monitoring",
)
"""The eight stages, in order."""
ACROSS = "across"
"""In the place of a stage: what belongs to none, such as keys, releases and the mirror."""
FAILED_RUN = "run failed"
"""It belongs to the stage that failed, which is its subject."""


class Kind(NamedTuple):
    """What is known of all events of a kind."""

    stage: str
    is_told: bool = True
    """Whether people are told of it, unless an `ov.Notify` names kinds itself."""


KINDS = {
    "problem stated": Kind("problem", is_told=False),
    "batch committed": Kind("ingestion", is_told=False),
    "rows rejected": Kind("ingestion"),
    "batch failed": Kind("ingestion"),
    "batch withdrawn": Kind("ingestion"),
    "rows flagged": Kind("prep"),
    "columns changed": Kind("prep"),
    "faults found": Kind("prep"),
    "hot entity": Kind("prep"),
    "late data": Kind("prep"),
    "features ready": Kind("prep", is_told=False),
    "features cut over": Kind("prep"),
    "features stale": Kind("prep"),
    "leak suspected": Kind("segregation"),
    "no model input": Kind("training"),
    "search widened": Kind("training"),
    "trial finished": Kind("training", is_told=False),
    "not trained on all rows": Kind("training"),
    "config changed": Kind("training", is_told=False),
    "model ready": Kind("evaluation"),
    "approval asked": Kind("evaluation"),
    "champion stays": Kind("evaluation"),
    "candidate refused": Kind("evaluation"),
    "no candidate answers the problem": Kind("evaluation"),
    "approved": Kind("deployment"),
    "declined": Kind("deployment"),
    "deployed": Kind("deployment"),
    "rolled back": Kind("deployment"),
    "champion not scored": Kind("deployment"),
    "drift": Kind("monitoring"),
    "no drift": Kind("monitoring", is_told=False),
    "run began": Kind(ACROSS, is_told=False),
    FAILED_RUN: Kind(ACROSS),
    "definition released": Kind(ACROSS, is_told=False),
    "release refused": Kind(ACROSS, is_told=False),
    "key made": Kind(ACROSS, is_told=False),
    "key revoked": Kind(ACROSS, is_told=False),
    "mirror failed": Kind(ACROSS, is_told=False),
    "notification delayed": Kind(ACROSS, is_told=False),
    "notification failed": Kind(ACROSS, is_told=False),
}
"""A test compares it with what is emitted."""

BROADCAST = frozenset(kind for kind, about in KINDS.items() if about.is_told)
"""The kinds that people are told of; the log has all of them."""


def stage_of(kind: str, subject: str) -> str:
    """Return the stage of an event; `ACROSS` if it belongs to none, or is of an unknown kind."""
    if kind == FAILED_RUN and subject in STAGES:
        return subject
    return KINDS[kind].stage if kind in KINDS else ACROSS
