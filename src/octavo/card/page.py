"""The card as one page: its head, and its sections in the order in which they are asked for."""

from collections.abc import Mapping
from html import escape
from typing import Any

from octavo.card.curves import curves
from octavo.card.data import data
from octavo.card.features import features
from octavo.card.groups import groups
from octavo.card.made import configuration, reproduced, timings
from octavo.card.served import costs, served
from octavo.card.verdict import STYLE, badge, verdict
from octavo.pages import plots
from octavo.pages.html import code, document, facts, moment, paragraph

Known = Mapping[str, Any]


def card(known: Known) -> str:
    """Return the page.

    Parameters
    ----------
    known
        What `octavo.stages.evaluation.card.known` gives: ``candidate`` and ``bundle``; and, None
        or empty where there is none, ``problem``, ``trial``, ``study``, ``verdict``, ``at``,
        ``evaluation``, ``data``, ``batches``, ``readings``, ``deployed``, ``began``, ``stages``.
    """
    parts = (
        _head(known),
        verdict(known),
        curves(known),
        costs(known),
        groups(known),
        features(known),
        data(known),
        served(known),
        timings(known),
        configuration(known),
        reproduced(known),
    )
    title = f"{known['candidate']['candidate_id']}: model card"
    return document(title, parts, STYLE + plots.STYLE)


def _head(known: Known) -> str:
    candidate, problem = known["candidate"], known["problem"]
    question = problem["question"] if problem else "A candidate whose question is not known"
    pairs = [
        ("kind", known["bundle"]["kind"]),
        ("predicts", known["bundle"]["target"]),
        ("algorithm", known["bundle"]["algorithm"]),
        ("made", f"{moment(candidate['created_at'])} UTC"),
    ]
    if known["deployed"]:
        since, until = known["deployed"]["live_from"], known["deployed"]["live_to"]
        pairs.append(("deployed", f"{moment(since)} – {moment(until) if until else 'now'}"))
    return (
        f"<header>{paragraph('Model card of', code(candidate['candidate_id']), soft=True)}"
        f"<h1>{escape(question)}</h1>{badge(known)}{facts(pairs)}</header>"
    )
