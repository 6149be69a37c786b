"""What the candidate told on test, drawn, with what a trivial model would be beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from octavo.pages.html import Figure, Markup, paragraph, section, table
from octavo.pages.plots import Axis, Plot, plots

Known = Mapping[str, Any]

CLASSES = 20
"""Classes of which a confusion table shows the rows and columns at the most."""

_Z = 1.96


def curves(known: Known) -> Markup:
    """Return the section; nothing where nothing is drawn."""
    return section("On test, drawn", drawn(known))


def drawn(known: Known) -> Markup:
    """Return the pictures, by the kind of problem."""
    found = (known["evaluation"] or {}).get("curves") or {}
    if "roc" in found:
        return plots(_binary(found))
    if "confusion" in found:
        figures = [_calibration(found["calibration"], "probability of the class told")]
        return Markup(_confusion(found) + plots(figures))
    if "quantiles" in found:
        return plots(_regression(known, found))
    if known["bundle"]["kind"] == "anomaly" and known["verdict"]:
        said = "Of anomalies no curves are drawn: their labels, where there are any, only measure."
        return paragraph(said, soft=True)
    return Markup("")


def _binary(found: Known) -> list[Markup]:
    roc, pr, lift = found["roc"], found["pr"], found["lift"]
    rate = pr["y"][-1]  # precision where every row is told yes
    share = Axis("share of rows looked at, highest first", 0, 1)
    yes = "share of positives found"
    return [
        Plot("ROC", Axis("false positive rate", 0, 1), Axis("true positive rate", 0, 1))
        .line([0, 1], [0, 1], plain=True)
        .line([0, *roc["x"]], [0, *roc["y"]])
        .figure("Dashed: probabilities by chance."),
        Plot("Precision and recall", Axis("recall", 0, 1), Axis("precision", 0, 1))
        .line([0, 1], [rate, rate], plain=True)
        .steps([0, *pr["x"]], [pr["y"][0], *pr["y"]])
        .figure(f"Dashed: the share of positives, {rate:.1%}, which chance has."),
        Plot("Lift", share, Axis(yes, 0, 1))
        .line([0, 1], [0, 1], plain=True)
        .line([0, *lift["x"]], [0, *lift["y"]])
        .figure("Dashed: rows taken by chance."),
        _calibration(found["calibration"], "probability told"),
    ]


def _calibration(bins: Sequence[Known], told: str) -> Markup:
    ends = [_wilson(each["true"], each["rows"]) for each in bins]
    top = max([0.05, *(each["told"] for each in bins), *(high for _, high in ends)])
    axis = Axis.around(told, [0, top])
    end = min(axis.high, 1.0)
    plot = Plot("Calibration", Axis(told, 0, end), Axis("share that came true", 0, end))
    plot.line([0, end], [0, end], plain=True)
    for each, (low, high) in zip(bins, ends, strict=True):
        said = f"told {each['told']:.4g}, came true {each['true']:.4g}, of {each['rows']:,} rows"
        plot.dot(each["told"], each["true"], said, (low, high))
    return plot.figure("Tenths of the rows, with 95 % intervals. Dashed: what is told comes true.")


def _wilson(share: float, rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Source: Wilson (1927)."""
    width = 1 + _Z**2 / rows
    middle = (share + _Z**2 / (2 * rows)) / width
    half = _Z / width * (share * (1 - share) / rows + _Z**2 / (4 * rows**2)) ** 0.5
    return middle - half, middle + half


def _confusion(found: Known) -> Markup:
    counts, names = found["confusion"], found["classes"]
    sizes = [sum(row) for row in counts]
    order = sorted(range(len(names)), key=lambda at: -sizes[at])[:CLASSES]
    shown = sorted(order)
    rows = [
        [
            names[at],
            *(_shaded(counts[at][other], sizes[at], at == other) for other in shown),
            sizes[at],
            Figure(f"{counts[at][at] / sizes[at]:.1%}") if sizes[at] else None,
        ]
        for at in shown
    ]
    head = ["came true ↓  told →", *(names[at] for at in shown), "rows", "told right"]
    left = len(names) - len(shown)
    rest = f" The {len(shown)} most frequent of {len(names)} classes." if left else ""
    said = f"Rows by what came true and what was told; darker: more of the line.{rest}"
    return Markup(table(head, rows) + paragraph(said, soft=True))


def _shaded(count: int, of: int, right: bool) -> Markup:
    share = 100 * count / of if of else 0
    colour = "--good" if right else "--fault"
    mix = f"color-mix(in srgb, var({colour}) {0.55 * share:.0f}%, transparent)"
    return Markup(f'<span style="background: {mix}; padding: .1rem .5rem">{count:,}</span>')


def _regression(known: Known, found: Known) -> list[Markup]:
    bins, quantiles = found["residuals"], found["quantiles"]
    told = [each["predicted"] for each in bins]
    true = [each["truth"] for each in bins]
    both = Axis.around("predicted", [*told, *true])
    plot = Plot("Predicted and true", both, Axis("came true", both.low, both.high))
    plot.line([both.low, both.high], [both.low, both.high], plain=True)
    mean = known["bundle"]["learned"].get("mean")
    if mean is not None:
        plot.line([both.low, both.high], [mean, mean], plain=True)
    for each in bins:
        said = f"predicted {each['predicted']:.5g}, came true {each['truth']:.5g}"
        plot.dot(each["predicted"], each["truth"], f"{said}, of {each['rows']:,} rows")
    flat = "the mean that training saw, the trivial baseline" if mean is not None else ""
    caption = "Means of twentieths of the rows. Dashed: what is predicted comes true" + (
        f"; flat: {flat}." if flat else "."
    )
    return [plot.figure(caption), _residuals(quantiles), _off(bins)]


def _residuals(quantiles: Known) -> Markup:
    spread = Axis.around("came true − predicted", quantiles["y"], zero=True)
    return (
        Plot("Residuals", Axis("share of rows", 0, 1), spread)
        .line([0, 1], [0, 0], plain=True)
        .line(quantiles["x"], quantiles["y"])
        .figure("The residual that such a share of the rows does not exceed. Dashed: none.")
    )


def _off(bins: Sequence[Known]) -> Markup:
    off = [each["truth"] - each["predicted"] for each in bins]
    across = Axis.around("predicted", [each["predicted"] for each in bins])
    plot = Plot("Off on average", across, Axis.around("came true − predicted", off, zero=True))
    plot.line([across.low, across.high], [0, 0], plain=True)
    for each, value in zip(bins, off, strict=True):
        said = f"predicted {each['predicted']:.5g}: off by {value:.5g}, {each['rows']:,} rows"
        plot.dot(each["predicted"], value, said)
    return plot.figure("Mean residuals of twentieths of the rows. Dashed: none.")
