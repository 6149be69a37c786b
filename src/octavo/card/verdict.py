"""The verdict in words and in figures: answered, or by how much it was missed."""

from collections.abc import Mapping
from html import escape
from typing import Any

from octavo.card.words import between, chosen_by_loss, sure
from octavo.pages.html import Figure, Markup, code, number, paragraph, section, table

Known = Mapping[str, Any]

STYLE = """
.badge { display: inline-block; margin: .7rem 0 0; padding: .1rem .7rem; border-radius: 1rem;
  font-weight: 600; border: 1px solid; } .badge.good { color: var(--good); }
.badge.note { color: var(--note); }
.lead { font-size: 1.05rem; } pre { background: var(--panel); border: 1px solid var(--line);
  padding: .6rem .8rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
table { width: auto; min-width: 50%; }
.names { columns: 16rem; padding-left: 1.1rem; font-size: 14px; }
"""

_RANKED = 20
"""Candidates of a search that are listed at the most."""


def badge(known: Known) -> str:
    """Return in a word what became of the candidate."""
    found = known["verdict"]
    if found is None:
        css, said = "note", "Not judged"
    elif not found["answered"]:
        css, said = "note", "Not answered: the nearest miss"
    elif not found["promoted"]:
        css, said = "note", "Answered, not promoted"
    else:
        css, said = "good", "Answered"
    return f'<div class="badge {css}">{escape(said)}</div>'


def verdict(known: Known) -> Markup:
    """Return the section; of a candidate that was never judged, what is known of it."""
    found = known["verdict"]
    if found is None:
        return section("Verdict", _not_judged(known))
    parts = (
        paragraph(_answer(found)),
        paragraph(_needed(known), _by_chance(found)),
        paragraph(f"Why it is not promoted: {found['reason']}.") if not found["promoted"] else "",
        figures(found),
        _champion(found),
        paragraph(_decides(known)),
        paragraph(_readings(known), soft=True),
        _ranking(known),
    )
    return section("Verdict", *parts)


def _not_judged(known: Known) -> str:
    candidate, problem = known["candidate"], known["problem"]
    metric = problem["metric"] if problem else "the figure"
    return (
        paragraph(
            "This candidate was trained and never judged:",
            f"{metric} on validation is {number(candidate['validation'])}.",
            "Validation chose among the candidates, so that figure flatters it.",
        )
        + paragraph(_needed(known))
        + paragraph(_readings(known))
        + paragraph(_decides(known))
    )


def _answer(found: Known) -> str:
    word = "Answered" if found["answered"] else "Not answered"
    return Markup(
        f"<span class='lead'><b>{word}.</b> On test, {escape(found['metric'])} is "
        f"<b>{number(found['test'])}</b> ({between(found['test_interval'])}, "
        f"{found['test_rows']:,} rows); {number(found['threshold'])} was needed. "
        f"The trivial baseline has {number(found['baseline'])}.</span>"
    )


def _needed(known: Known) -> str:
    problem = known["problem"]
    if problem is None:
        return ""
    at_least, at_most = problem["at_least"], problem["at_most"]
    if isinstance(at_least, Mapping):
        times = f"{at_least['times']:g} times as good as the trivial baseline's"
        return f"Asked for was {problem['metric']} {times}."
    side = f"at most {at_most:g}" if at_least is None else f"at least {at_least:g}"
    return f"Asked for was {problem['metric']} of {side}."


def _by_chance(found: Known) -> str:
    gain, last = found["gain"], found.get("last_value")
    said = f"Its gain over the trivial baseline is {number(gain['gain'])} ({sure(gain)})"
    if last is None:  # as in all verdicts of an earlier Octavo
        return said + "."
    over = f"over the last known value alone ({last['feature']})"
    return f"{said}, {over} {number(last['gain']['gain'])} ({sure(last['gain'])})."


def figures(found: Known) -> Markup:
    """Return what was measured on validation and test, beside what was needed."""
    low, high = found["test_interval"]
    head = ("part", found["metric"], "95 % interval", "needed", "trivial baseline")
    validation = [found[f"validation{part}"] for part in ("", "_threshold", "_baseline")]
    last = found.get("last_value")
    if last is not None:
        head += ("last value",)
    rows = [
        ("validation", validation[0], None, *validation[1:], *_last(last, "validation")),
        (
            "test",
            found["test"],
            Figure(f"{number(low)} – {number(high)}"),
            found["threshold"],
            found["baseline"],
            *_last(last, "test"),
        ),
    ]
    return table(head, rows)


def _last(last: Known | None, part: str) -> tuple[float, ...]:
    return () if last is None else (last[part],)


def _champion(found: Known) -> Markup:
    champion = found["champion"]
    if champion is None:
        return paragraph("No champion was deployed that it could be compared with.", soft=True)
    name = code(champion["candidate"])
    if "champion" not in champion:
        return paragraph("The champion", name, f"could not be compared: {champion['why']}.")
    gain = champion["gain"]
    return paragraph(
        "The champion",
        name,
        f"has {number(champion['champion'])} and this candidate {number(champion['challenger'])} "
        f"on the same {champion['rows']:,} later rows: a gain of {number(gain['gain'])} "
        f"({sure(gain)}).",
    )


def _decides(known: Known) -> str:
    bundle = known["bundle"]
    said = []
    if bundle["threshold"] is not None:
        word = "raises an alarm" if bundle["kind"] == "anomaly" else "counts as yes"
        said.append(f"A row {word} from {number(bundle['threshold'])} on.")
    if bundle["calibration"]:
        form = bundle["calibration"].get("form", "")
        said.append(f"Probabilities are calibrated ({form}), as chosen on validation.")
    return " ".join(said)


def _readings(known: Known) -> str:
    own, every = known["readings"]
    if not own:
        return "Test was not read for it."
    times = "once" if own == 1 else f"{own} times"
    others = f"; of all candidates of this data version {every} times" if every > own else ""
    return f"Test was read {times} for this candidate{others}."


def _ranking(known: Known) -> str:
    ranked, own = known["verdict"]["ranking"], known["candidate"]["candidate_id"]
    if len(ranked) < 2:
        return ""
    how = chosen_by_loss(known["verdict"])
    loss = ("log loss",) if how else ()
    metric = known["verdict"]["metric"]
    head = ("candidate", "algorithm", f"{metric} on validation", *loss, "seconds")
    rows = [
        (
            Markup(
                code(row["candidate_id"]) + (" ← this one" if row["candidate_id"] == own else "")
            ),
            row["algorithm"],
            row["validation"],
            *((row["log_loss"],) if how else ()),
            Figure(f"{row['seconds']:.1f}"),
        )
        for row in ranked[:_RANKED]
    ]
    more = len(ranked) - _RANKED
    rest = paragraph(f"And {more} more.", soft=True) if more > 0 else ""
    said = paragraph(how) if how else ""
    return f"<h3>All candidates of the search</h3>{said}{table(head, rows)}{rest}"
