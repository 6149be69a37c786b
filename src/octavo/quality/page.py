"""The quality report of a batch as one HTML page: no scripts, nothing from elsewhere.

It is drawn from the report alone, as the catalog keeps it; it reads no rows.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from octavo.pages.html import document, facts
from octavo.quality.finding import enumerated, percent
from octavo.quality.profile import BINS

Document = Mapping[str, Any]

STYLE = """
.finding { border-left: 4px solid var(--note); background: var(--panel); padding: .55rem .9rem;
  margin: .5rem 0; } .finding.fault { border-color: var(--fault); }
.finding p { margin: 0; } .finding .soft { font-size: 13px; }
.finding code.line { display: block; background: var(--page); border: 1px solid var(--line);
  padding: .25rem .5rem; margin-top: .35rem; overflow-wrap: anywhere; }
"""


def page(report: Document, *, title: str, rows: int, about: Sequence[tuple[str, str]] = ()) -> str:
    """Return the page of one report.

    Parameters
    ----------
    report
        ``columns``, ``findings``, ``noticed``, ``flagged`` and ``treated``, as prep writes them.
    title
        The dataset's name.
    rows
        Of the batch.
    about
        More facts for the head: what it is, and its value.
    """
    findings, looked_at = in_order(report), report.get("looked_at", rows)
    if looked_at < rows:
        about = [("looked at", f"{looked_at:,}"), *about]
    head = [("rows", f"{rows:,}"), *about]
    parts = [
        f"<h1>{escape(title)}</h1>",
        facts(head),
        f"<h2>Findings</h2>{_findings(findings)}",
        _counts("Treated", [_treated_line(each) for each in report["treated"]]),
        _counts("Flagged", [f"{n:,} rows fail {c!r}" for c, n in report["flagged"].items()]),
        f"<h2>Columns</h2>{_columns(report['columns'], looked_at, _faulty(findings))}",
    ]
    return document(f"{title}: quality", parts, STYLE)


def in_order(report: Document) -> list[Document]:
    """Return all findings of a report, faults first, those of most rows first."""
    found = [*report["noticed"], *report["findings"]]
    return sorted(found, key=lambda each: (each["weight"] != "fault", -each["rows"]))


def _findings(findings: Sequence[Document]) -> str:
    if not findings:
        return "<p>Nothing was found.</p>"
    return "".join(map(finding, findings))


def finding(found: Document) -> str:
    """Return one finding: what it is, where, and the line that treats it."""
    examples = "; ".join(f"row {e['row']:,}: {e['value']}" for e in found["examples"])
    line = found["treatment"]
    return (
        f'<div class="finding {escape(found["weight"])}"><p>{_ticks(found["sentence"])}</p>'
        + (f'<p class="soft">{escape(examples)}</p>' if examples else "")
        + (f'<code class="line">{escape(line)}</code>' if line else "")
        + "</div>"
    )


def _ticks(sentence: str) -> str:
    """Return a sentence with what stands in backticks as code."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))


def _counts(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f"<h2>{title}</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _treated_line(each: Document) -> str:
    return f"{each['treatment']}: {each['changed']:,} values changed, {each['nulls']:,} to null"


def _faulty(findings: Sequence[Document]) -> set[str]:
    return {
        c
        for f in findings
        if f["weight"] == "fault" and len(f["columns"]) < 4
        for c in f["columns"]
    }


def _columns(columns: Mapping[str, Document], rows: int, faulty: set[str]) -> str:
    head = "<tr><th>column</th><th>type</th><th>distinct</th><th>missing</th><th>where missing</th>"
    head += "<th>distribution</th><th>range or most frequent</th></tr>"
    body = "".join(_column(n, c, rows, n in faulty) for n, c in columns.items())
    return f'<div class="wide"><table>{head}{body}</table></div>'


def _column(name: str, found: Document, rows: int, is_faulty: bool) -> str:
    mark = ' style="color: var(--fault)"' if is_faulty else ""
    missing = found["nulls"] / max(rows, 1)
    cells = [
        f"<td><code{mark}>{escape(name)}</code></td><td>{escape(found['type'])}</td>",
        f'<td class="number">{found["distinct"]:,}</td>',
        f'<td class="number">{percent(missing) if missing else ""}</td>',
        f"<td>{_map(found.get('missing', []))}</td><td>{_histogram(found)}</td>",
        f"<td>{escape(_range(found))}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _range(found: Document) -> str:
    if "common" in found:
        return enumerated([f"{text!r} ({count:,})" for text, count in found["common"]], 4)
    if "min" not in found:
        return ""
    low, high = (
        f"{v:.6g}" if isinstance(v, float) else str(v) for v in (found["min"], found["max"])
    )
    middle = f", median {found['median']:.6g}" if found.get("median") is not None else ""
    return f"{low} … {high}{middle}"


def _map(missing: Sequence[float]) -> str:
    """Return where in the file values are missing: one cell for each stretch of rows."""
    if not missing:
        return ""
    width = 120 / len(missing)
    cells = "".join(
        f'<rect x="{n * width:.2f}" width="{width + 0.05:.2f}" height="12" '
        f'class="gone" fill-opacity="{0.15 + 0.85 * share:.2f}"/>'
        for n, share in enumerate(missing)
        if share
    )
    back = '<rect class="empty" width="120" height="12"/>'
    return f'<svg width="120" height="12" role="img" aria-label="missing">{back}{cells}</svg>'


def _histogram(found: Document) -> str:
    counts = found.get("histogram")
    if not counts:
        return _shares(found)
    top, width = max(counts), 144 / BINS
    bars = "".join(
        f'<rect x="{n * width:.1f}" y="{36 - 34 * count / top:.1f}" width="{width - 1:.1f}" '
        f'height="{34 * count / top:.1f}" class="fill"/>'
        for n, count in enumerate(counts)
        if count
    )
    label = f"{found['from']:.4g} to {found['to']:.4g}"
    size = 'width="144" height="37" role="img"'
    return f'<svg {size} aria-label="{label}"><title>{label}</title>{bars}</svg>'


def _shares(found: Document) -> str:
    """Return bars of the most frequent texts."""
    common = found.get("common")
    if not common or common[0][1] < 2:
        return ""
    top = common[0][1]
    bars = "".join(
        f'<rect y="{n * 6}" width="{144 * count / top:.1f}" height="5" class="pale"/>'
        for n, (_, count) in enumerate(common)
    )
    return (
        f'<svg width="144" height="{6 * len(common)}" role="img" aria-label="labels">{bars}</svg>'
    )
