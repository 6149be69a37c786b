"""What answers, since when, what did before, and who let it."""

from collections.abc import Mapping
from typing import Any

from octavo.pages.html import Figure, Markup, facts, moment, paragraph, table
from octavo.pages.times import Stretch, lanes
from octavo.report.frame import candidate, stage, when

Known = Mapping[str, Any]

LISTED = 20
"""Deployments that are listed at the most: the newest."""


def deployment(known: Known) -> Markup:
    """Return the section."""
    every = known["deployments"]
    live = next((each for each in every if each["live_to"] is None), None)
    if live is None:
        ran = known["stages"][6]["state"] == "succeeded"
        return stage(known, "deployment", paragraph("Nothing is live." if ran else "", soft=True))
    pairs = [
        ("live", live["deployment_id"]),
        ("candidate", candidate(known, live["candidate_id"])),
        ("algorithm", live["algorithm"]),
        ("since", when(known, live["live_from"])),
        ("by", (live["event"] or {}).get("actor") or None),
    ]
    shown = every[-LISTED:]
    picture = lanes(_lanes(known, shown)) if len(shown) > 1 else Markup("")
    return stage(known, "deployment", facts(pairs), picture, _history(known, shown))


def _lanes(known: Known, shown: list[Known]) -> list[tuple[str, list[Stretch]]]:
    found: dict[str, list[Stretch]] = {}
    for each in shown:
        end = known["at"] if each["live_to"] is None else each["live_to"]
        css = "good" if each["live_to"] is None else "pale"
        said = f"{each['deployment_id']}: {moment(each['live_from'])} to {moment(end)}"
        stretch = Stretch(each["live_from"], max(end, each["live_from"]), css, said)
        found.setdefault(each["candidate_id"], []).append(stretch)
    return list(found.items())


def _history(known: Known, shown: list[Known]) -> Markup:
    rows = [
        (
            each["deployment_id"],
            candidate(known, each["candidate_id"]),
            each["algorithm"],
            Figure(moment(each["live_from"])),
            "now" if each["live_to"] is None else Figure(moment(each["live_to"])),
            (each["event"] or {}).get("kind"),
            (each["event"] or {}).get("actor") or None,
            (each["event"] or {}).get("document", {}).get("reason") or "",
        )
        for each in reversed(shown)
    ]
    head = ("deployment", "candidate", "algorithm", "from (UTC)", "to", "how", "by", "why")
    return table(head, rows)
