"""The kind of problem that a target column poses, how it is measured, and the label's expression.

It knows nothing of features or splits.
"""

import re
from dataclasses import dataclass, replace

import polars as pl

from octavo.errors import DataError
from octavo.services.drafting import code
from octavo.services.drafting.code import Code, column
from octavo.services.drafting.tables import Table, check_column, identifier

FEW = 20
"""Whole numbers with no more distinct values than this, each in many rows, are classes."""

MANY = 100
"""Classes from which a multiclass problem is refused: what is wanted is rather one of them."""

RARE = 10
"""Rows from which a class can be learned; the rows of rarer ones are unlabeled."""

_CONDITION = re.compile(r"^(?P<column>.+?)\s*(?P<sign>==|!=|>=|<=|>|<)\s*(?P<value>[^=<>]+)$")
_POSITIVE = (
    "1", "true", "yes", "y", "t", "positive", "pos", "malignant", "fraud", "bad", "spam", "sick",
    "default", "churn", "churned", "failure", "failed", "dead", "up", "late", "returned",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes
    ----------
    column
        The column it is read from.
    name
        What the label is called.
    kind, metric
        As ``ov.Problem`` takes them.
    at_least
        The figure from which the question counts as answered, as source text.
    value
        The label's expression, as source.
    labels
        Its values for the rows that were read; null where the outcome is not known.
    question
        The business question, as far as a column name tells it.
    why
        What it was told from, in words.
    figure_note
        What the figure means.
    rows_note
        Which rows have no label, and why.
    """

    column: str
    name: str
    kind: str
    metric: str
    at_least: str
    value: Code
    labels: pl.Series
    question: str
    why: str
    figure_note: str
    rows_note: str = ""


def column_of(wanted: str) -> str:
    """Return the column of a condition such as ``delay > 15``; of anything else, itself."""
    condition = _CONDITION.match(wanted)
    return condition["column"].strip() if condition else wanted


def find_target(table: Table, wanted: str, time: pl.Series | None, clock: str | None) -> Target:
    """Say what kind of problem a column, or a condition on one, poses.

    Parameters
    ----------
    wanted
        A column, or a condition such as ``delay > 15``.
    time, clock
        The rows' event times and the expression that gives them, where there are any: a date as
        a target is then the time until it.

    Raises
    ------
    DataError
        If there is no such column, or nothing can be learned of it.
    """
    condition = _CONDITION.match(wanted) if wanted not in table.frame.columns else None
    name = condition["column"].strip() if condition else wanted
    check_column(table, name, what="--target")
    values = table.frame[name]
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if not values.count():
        raise _nothing(table, name, "it is empty in every row", "Name another column.")
    if condition:
        found = _of_condition(values, condition["sign"], condition["value"].strip())
    elif values.n_unique() - (values.null_count() > 0) < 2:
        raise _nothing(
            table, name, f"it is {values.drop_nulls()[0]!r} in every row", "Name another column."
        )
    elif values.dtype.is_temporal():
        found = _of_times(values, time, clock)
    elif values.dtype == pl.Boolean:
        found = _binary(values, code.column(name), values, f"{name} is true or false")
    elif values.dtype.is_numeric():
        found = _of_numbers(table, values)
    else:
        found = _of_texts(table, values)
    if found.labels.drop_nulls().n_unique() < 2:
        raise _nothing(table, wanted, "it comes out the same in every row", "Choose another.")
    return _with_missing(found)


def _nothing(table: Table, name: str, what: str, fix: str) -> DataError:
    where = f"--target, {table.paths[0].name}"
    return DataError(f"nothing can be learned of {name!r}: {what}.", where=where, fix=fix)


def _with_missing(target: Target) -> Target:
    missing = target.labels.null_count()
    if not missing:
        return target
    share = missing / target.labels.len()
    note = f"{missing:,} rows ({share:.1%}) have no outcome: they are kept, and unlabeled."
    return replace(target, rows_note=target.rows_note or note)


def _of_condition(values: pl.Series, sign: str, value: str) -> Target:
    literal = _literal(value, values.dtype)
    expression = f"{column(values.name)} {sign} {literal}"
    compared = pl.col(values.name)
    given = float(literal) if values.dtype.is_numeric() else value.strip("\"'")
    met = {
        "==": compared == given, "!=": compared != given, ">": compared > given,
        ">=": compared >= given, "<": compared < given, "<=": compared <= given,
    }[sign]  # fmt: skip
    labels = values.to_frame().select(met.alias(values.name)).to_series()
    said = f"the condition {values.name} {sign} {value}"
    question = f"Which rows will have {values.name} {sign} {value}?"
    return replace(_binary(values, expression, labels, said), question=question)


def _literal(value: str, dtype: pl.DataType) -> str:
    if not dtype.is_numeric():
        return code.text(value.strip("\"'"))
    try:
        return value if float(value) == float(value) else "0"
    except ValueError as error:
        raise DataError(
            f"{value!r} is not a number, but the column is.", where="--target", fix="Give a number."
        ) from error


def _of_times(values: pl.Series, time: pl.Series | None, clock: str | None) -> Target:
    own = column(values.name)
    moment = values.cast(pl.Datetime("us")).cast(pl.Int64)
    if time is None or clock is None:
        expression = f'{own}.cast(pl.Datetime("us")).dt.epoch("us") / 86_400_000_000'
        labels, since = moment / 86_400e6, "1970"
    else:
        expression = f"({own} - {clock}).dt.total_seconds() / 86_400"
        labels, since = (moment - time.cast(pl.Datetime("us")).cast(pl.Int64)) / 86_400e6, "the row"
    why = f"{values.name} is a time: predicted are the days from {since} until it"
    question = f"How many days after {since} is {values.name}?"
    return _regression(values.name, expression, labels, why, question)


def _of_numbers(table: Table, values: pl.Series) -> Target:
    known = values.drop_nulls()
    finite = known.filter(known.is_finite()) if known.dtype.is_float() else known
    distinct, own = known.n_unique(), column(values.name)
    if distinct == 2:
        return _of_two(values, f"{values.name} has two values")
    whole = (finite == finite.round()).all() and finite.len() == known.len()
    if whole and distinct <= FEW and known.len() >= 10 * distinct:
        return _multiclass(values, f"{values.name} has only {distinct} values, all whole numbers")
    if finite.n_unique() < 2:
        raise _nothing(table, values.name, "it has no two finite values", "Name another column.")
    said = f"{values.name} is a number with {distinct:,} different values"
    expression, labels = own, values.cast(pl.Float64)
    if finite.len() < known.len():
        expression = f"pl.when({own}.is_finite()).then({own})"
        labels = labels.to_frame().select(
            pl.when(pl.col(values.name).is_finite()).then(pl.col(values.name))
        ).to_series()  # fmt: skip
        said += f"; {known.len() - finite.len():,} infinite ones count as unknown"
    return _regression(values.name, expression, labels, said, f"How large is {values.name}?")


def _regression(name: str, value: Code, labels: pl.Series, why: str, question: str) -> Target:
    note = "r2 is the share of the variance that is explained: guessing the mean gives 0."
    return Target(
        name, identifier(name, "target"), "regression", "r2", "0.2", value, labels, question, why,
        note,
    )  # fmt: skip


def _of_texts(table: Table, values: pl.Series) -> Target:
    known = values.drop_nulls()
    distinct = known.n_unique()
    if distinct == 2:
        return _of_two(values, f"{values.name} has two values")
    if distinct > MANY or distinct > known.len() / 2:
        what = f"it has {distinct:,} different texts in {known.len():,} rows"
        raise _nothing(table, values.name, what, _instead(table, known))
    return _multiclass(values, f"{values.name} is one of {distinct} texts")


def _instead(table: Table, known: pl.Series) -> str:
    """Return what can be done about a target of too many texts."""
    for found in table.findings:
        if found.rule == "not_a_number" and found.columns == (known.name,):
            return f"{found.sentence} Leave empty in the file what is no number."
    most, times = known.value_counts(sort=True).row(0)
    if times < RARE:
        return "Name another column."
    one = f"--target '{known.name} == {most}' ({times:,} rows)"
    return f"Name another column, or one to tell from the rest: {one}."


def _of_two(values: pl.Series, why: str) -> Target:
    """Take for positive what is called so, or else what is rarer."""
    counts = values.drop_nulls().value_counts(sort=True)
    options = counts[values.name].to_list()
    called = [o for o in options if isinstance(o, str) and o.strip().lower() in _POSITIVE]
    positive = called[0] if len(called) == 1 else options[-1]
    own = column(values.name)
    if values.dtype.is_numeric() and sorted(options) == [0, 1]:
        return _binary(values, own, values.cast(pl.Int64), f"{values.name} is 0 or 1")
    literal = code.text(positive) if isinstance(positive, str) else f"{positive:g}"
    labels = values == positive
    said = f"{why}; {literal} is what is looked for"
    found = _binary(values, f"{own} == {literal}", labels, said)
    question = f"Which rows have {values.name} {positive}?"
    return replace(found, question=question)


def _binary(values: pl.Series, value: Code, labels: pl.Series, why: str) -> Target:
    name = identifier(values.name, "target")
    known = labels.drop_nulls().cast(pl.Float64)
    rate = float(known.mean() or 0.0)  # type: ignore[arg-type]
    why = f"{why}; true in {rate:.1%} of the rows"
    if rate < 0.25:
        metric, at_least = "average_precision", "ov.Lift(1.5)"
        note = f"Guessing has an average precision of {rate:.3f}; asked is 1.5 times that."
    else:
        metric, at_least = "roc_auc", "0.7"
        note = "Guessing has an area under the ROC curve of 0.5."
    question = f"Which rows are {values.name}?"
    return Target(values.name, name, "binary", metric, at_least, value, labels, question, why, note)


def _multiclass(values: pl.Series, why: str) -> Target:
    value, labels, rows_note = _frequent(values)
    shares = labels.drop_nulls().value_counts(normalize=True)["proportion"]
    most, classes = float(shares.max()), shares.len()  # type: ignore[arg-type]
    even = most <= 2 / classes
    metric = "accuracy" if even else "balanced_accuracy"
    guessing = most if even else 1 / classes
    needed = round(guessing + (1 - guessing) / 4, 2)
    said = "is" if even else "counts every class alike; it is"
    metric_words = metric.replace("_", " ")
    note = f"The {metric_words} of guessing {said} {guessing:.2f}; asked is a quarter of the rest."
    question = f"Which {values.name} is it?"
    name = identifier(values.name, "target")
    return Target(
        values.name, name, "multiclass", metric, f"{needed:g}", value, labels, question, why,
        note, rows_note,
    )  # fmt: skip


def _frequent(values: pl.Series) -> tuple[str, pl.Series, str]:
    """Return the expression and values of a label without classes too rare to learn, and why."""
    own, counts = column(values.name), values.drop_nulls().value_counts(sort=True)
    frequent = counts.filter(pl.col("count") >= RARE)[values.name].to_list()
    rare = counts.height - len(frequent)
    if not rare or len(frequent) < 2:
        return own, values.cast(pl.String), ""
    if values.dtype.is_numeric():
        options = [code.number(each) for each in sorted(frequent)]
    else:
        options = [code.text(each) for each in sorted(frequent)]
    kept = f"pl.when({own}.is_in([{', '.join(options)}])).then({own})"
    found = pl.when(pl.col(values.name).is_in(frequent)).then(pl.col(values.name))
    labels = values.to_frame().select(found).to_series()
    lost = values.count() - labels.count()
    note = (
        f"{rare} classes have fewer than {RARE} rows each, {lost:,} in all: too few to learn. "
        "Their rows are kept, and unlabeled."
    )
    return kept, labels.cast(pl.String), note
