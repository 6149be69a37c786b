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
BY_SUBJECT = ""


class Kind(NamedTuple):
    """What is known of all events of a kind."""

    stage: str
    """`BY_SUBJECT`: the one that its subject begins with."""
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
    "stage began": Kind(BY_SUBJECT, is_told=False),
    "run failed": Kind(BY_SUBJECT),
    "job armed": Kind(BY_SUBJECT, is_told=False),
    "job asked for": Kind(BY_SUBJECT, is_told=False),
    "job blacked out": Kind(BY_SUBJECT, is_told=False),
    "job done": Kind(BY_SUBJECT, is_told=False),
    "job expired": Kind(BY_SUBJECT),
    "job failed": Kind(BY_SUBJECT),
    "job paused": Kind(BY_SUBJECT, is_told=False),
    "job removed": Kind(BY_SUBJECT, is_told=False),
    "job resumed": Kind(BY_SUBJECT, is_told=False),
    "job running": Kind(BY_SUBJECT, is_told=False),
    "job waiting": Kind(BY_SUBJECT, is_told=False),
    "times skipped": Kind(BY_SUBJECT),
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
    known = KINDS.get(kind, Kind(ACROSS)).stage
    begins = subject.partition("/")[0]
    return (begins if begins in STAGES else ACROSS) if known == BY_SUBJECT else known
