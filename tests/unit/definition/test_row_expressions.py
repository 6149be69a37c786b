"""Row expressions: what looks beyond its own row is refused, however deep it is hidden."""

import warnings
from datetime import date
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.definition.expressions import (
    check_row_expression,
    expression_document,
    output_name,
    sample_disagreement,
    with_expressions,
)
from octavo.errors import DefinitionError

a, b, s, t, parts = pl.col("a"), pl.col("b"), pl.col("s"), pl.col("t"), pl.col("l")

FRAME = pl.DataFrame(
    {
        "a": [3, 1, None, 4, 1, 3],
        "b": [1, 2, 3, 4, 5, 6],
        "f": [1.5, float("nan"), -0.0, None, 2.0, 1.5],
        "s": ["x", "b", None, "x", "", "zz"],
        "t": pl.Series([5, 1, None, 86_400_000_000, 1, 3]).cast(pl.Datetime("us", "UTC")),
        "d": pl.Series([5, 1, None, 9, 1, 3]).cast(pl.Date),
        "l": [[3, 1], [2], [], None, [5, 5], [3, 1]],
        "p": [True, False, None, True, True, False],
    }
).with_columns(st=pl.struct("a", "b"), c=pl.col("s").cast(pl.Categorical))

REFUSED = [
    # aggregates
    a.mean(), a.sum(), a.min(), a.max(), a.nan_max(), a.std(), a.var(), a.median(), a.first(),
    a.last(), a.count(), a.len(), a.n_unique(), a.quantile(0.5), a.product(), a.skew(),
    a.kurtosis(), a.entropy(), a.any(), a.all(), a.arg_max(), a.arg_min(), a.null_count(),
    a.has_nulls(), a.approx_n_unique(), a.bitwise_and(), a.dot(b), a.implode(), a.mode(),
    a.item(), a.index_of(1), s.str.join(","), pl.corr("a", "b"), pl.cov("a", "b"), pl.len(),
    pl.sql_expr("sum(a)"), a.hist(), a.value_counts(), a.unique_counts(),
    # other rows
    a.shift(1), a.shift(0), a.diff(), a.pct_change(), a.rank(), a.cum_sum(), a.cum_max(),
    a.cum_count(), a.cum_prod(), a.is_duplicated(), a.is_unique(), a.is_first_distinct(),
    a.is_last_distinct(), a.rle_id(), a.peak_max(), a.rolling_mean(2), a.rolling_sum(1),
    a.rolling_mean_by("t", "1d"), a.rolling("t", period="1d").mean(), a.ewm_mean(alpha=0.5),
    a.ewm_mean_by("t", half_life="1d"), a.interpolate(), a.interpolate_by("b"),
    a.fill_null(strategy="forward"), a.fill_null(strategy="mean"), a.fill_null(strategy="min"),
    a.forward_fill(), a.backward_fill(), a.bin_quantiles([0.5], labels=False),
    a.cumulative_eval(pl.element().sum()),
    a.sum().over("s"), a.rank().over("s"), pl.rolling_corr(a, b, window_size=2),
    a.search_sorted(3), a.is_in(b), a.is_in(b.implode()), pl.row_index(),
    # another order, or other lengths
    a.sort(), a.sort_by("s"), a.arg_sort(), a.reverse(), a.top_k(2), a.bottom_k(2), a.head(2),
    a.tail(2), a.slice(0, 2), a.gather([0, 1]), a.gather_every(2), a.get(0), a.unique(),
    a.arg_unique(), a.arg_true(), a.reshape((1, -1)), a.extend_constant(1, 2), a.append(b),
    a.rle(), a.filter(a > 1), a.drop_nulls(), a.drop_nans(), parts.explode(),
    parts.list.explode(), pl.int_range(0, 3), pl.int_range(pl.len()), pl.repeat(1, 3),
    pl.linear_space(0, 1, 3), pl.arg_where(a > 1), pl.lit(pl.Series([1, 2])), a + pl.Series([1]),
    pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 3)), a.fill_null(pl.Series([1])),
    # chance, codes, and what differs between versions or processes
    a.shuffle(), a.shuffle(seed=1), a.sample(2), a.sample(fraction=1.0, seed=1),
    parts.list.sample(1), a.hash(), pl.struct("a", "b").hash(),
    s.cast(pl.Categorical).to_physical(), s.cast(pl.Categorical).cat.physical(), t.to_physical(),
    a.set_sorted(),
    # what the data decide
    s.str.to_datetime(), s.str.to_datetime(strict=False), s.str.to_date(), s.str.to_time(),
    s.str.strptime(pl.Date),
    # Python
    a.map_elements(abs, return_dtype=pl.Int64), a.map_batches(abs, return_dtype=pl.Int64),
    pl.fold(0, lambda x, y: x + y, ["a", "b"]), pl.reduce(lambda x, y: x + y, ["a", "b"]),
    pl.map_groups(["a"], lambda x: x[0], return_dtype=pl.Int64), a.name.map(str.upper),
    a.inspect(),
    # several columns, or what only data could tell
    pl.all(), pl.col("a", "b"), pl.col("^a.*$"), pl.col(pl.Int64), pl.exclude("a"), pl.nth(0),
    pl.struct("a", "b").struct.unnest(), parts.list.eval(pl.element().rank()),
    pl.struct("a").struct.with_fields(pl.field("a").sum()),
]  # fmt: skip

ACCEPTED = [
    pl.when(a > 1).then(b), pl.when(a > 1).then(b).otherwise(pl.lit(0)), a - b, -a, ~(a > 1),
    a**2, a // b, a % b, a.abs(), a.log(), a.round(2), a.clip(1, 2),
    a.replace_strict({1: "x"}, default=None), a.replace_strict({1: 2}, default=b),
    s.replace_strict({"x": 1.0}, default=0.0), a.replace({1: 2}), a.is_in([1, 2]),
    s.is_in(["x"]), a.is_in(pl.Series([1, 2])), a.is_between(1, 2), a.is_null(), a.fill_null(0),
    a.fill_null(b), a.fill_null(strategy="zero"), a.eq_missing(b), a.cast(pl.Float64),
    s.cast(pl.Categorical), s.str.len_chars(), s.str.contains("x"), s.str.slice(0, 2),
    s.str.to_lowercase(), s.str.split(",").list.len(), s.str.extract("(.)"), s.str.zfill(3),
    s.str.contains_any(["x"]), s.str.to_datetime("%Y", strict=False), t.dt.hour(),
    t.dt.truncate("1d"), t.dt.convert_time_zone("Europe/Berlin"), t.dt.offset_by("1d"),
    t.dt.add_business_days(b, roll="forward"), pl.col("d").dt.is_business_day(),
    parts.list.sum(), parts.list.contains(1), pl.struct("a", "b"),
    pl.struct("a", "b").struct.field("a"), pl.coalesce("a", "b"), pl.concat_str("s", "s"),
    pl.format("{}-{}", "a", "s"), pl.sum_horizontal("a", "b"), pl.max_horizontal("a", "b"),
    pl.any_horizontal(a > 1, b > 1), pl.duration(minutes=b), pl.date(2024, 1, b), pl.lit(1),
    pl.lit("x"), pl.lit(None), pl.datetime(2024, 1, 1), pl.sql_expr("a + 1"), a.name.suffix("_"),
]  # fmt: skip

HIDDEN = {
    "by itself": lambda e: e,
    "beside": lambda e: pl.struct(b, e.alias("q")),
    "in a sum": lambda e: b + e,
    "in a condition": lambda e: pl.when(e.is_null()).then(b),
    "in text": lambda e: pl.concat_str(b, e),
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("expression", REFUSED, ids=str)
def test_refused_wherever_it_stands(expression, hidden, capfd):
    with pytest.raises(DefinitionError) as refused:
        check_row_expression(hidden(expression), where="here")
    assert refused.value.where == "here"
    assert refused.value.fix
    capfd.readouterr()  # Polars reports a panic of its own on stderr


@pytest.mark.parametrize("expression", ACCEPTED, ids=str)
def test_accepted_and_the_same_row_by_row(expression):
    check_row_expression(expression, where="here")
    assert sample_disagreement(FRAME, [expression.alias("z")]) is None


def test_columns_and_values_may_have_the_names_of_operations():
    for word in ("Len", "Hash", "Over", "Agg", "Random", "Map", "Series", "ToPhysical"):
        named = pl.col(word).alias(word).name.suffix(word)
        field = pl.struct(word).struct.field(word)
        same = pl.when(named == word).then(pl.lit(word)).otherwise(field)
        check_row_expression(same.str.contains(word), where="here")


def test_what_polars_accepts_row_by_row_is_the_same_row_by_row():
    """Call every method of an expression; whatever passes the check must pass the test by data."""
    arguments = [(), (1,), (0.5,), (b,), ("b",), ("1d",), ([1, 2],), ({1: 2},), (pl.Int64,)]
    owners = [pl.col(c) for c in FRAME.columns]
    owners += [s.str, t.dt, pl.col("d").dt, parts.list, pl.col("st").struct, pl.col("c").cat]
    evaluated = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for owner, given in ((o, g) for o in owners for g in arguments):
            for name in dir(owner):
                if name.startswith("_") or name in ("meta", "inspect", "deserialize", "from_json"):
                    continue
                try:
                    expression = getattr(owner, name)(*given).alias("z")
                    check_row_expression(expression, where="here")
                    whole = FRAME.with_columns(expression)
                except Exception:
                    continue
                evaluated += 1
                assert whole.height == FRAME.height
                assert sample_disagreement(FRAME, [expression]) is None, (name, given)
    assert evaluated > 500


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            a - a.mean(),
            "here: the expression uses an aggregate over the whole frame. "
            "It may only use its own row; use a Window for anything else.",
        ),
        (
            b + a.shift(1),
            'here: the expression col("a").shift([dyn int: 1]) looks at other rows. '
            "It may only use its own row; use a Window for anything else.",
        ),
        (
            a.filter(a > 1),
            'here: the expression col("a").filter([(col("a")) > (dyn int: 1)]) changes the number '
            "of rows. Give one value, or null, for each row.",
        ),
        (
            s.str.to_datetime(),
            "here: the expression uses a format of times guessed from the data. "
            'Give it: .str.to_datetime("%Y-%m-%d %H:%M").',
        ),
        (
            a.is_in(b),
            "here: the expression uses is_in() with all rows of another column. "
            "Write a list, or compare two columns with ==.",
        ),
        (
            a.map_elements(abs, return_dtype=pl.Int64),
            "here: the expression uses a Python function. "
            "Use Polars functions only: a Python function cannot be stored or served.",
        ),
        (
            pl.col("a", "b"),
            "here: the expression cs.by_name('a', 'b', require_all=true) chooses columns. "
            "Write one expression for each column.",
        ),
        ("a", "here: 'a' is not a Polars expression. Write pl.col(…)."),
    ],
)
def test_the_message_says_what_to_do(expression, message):
    with pytest.raises(DefinitionError) as refused:
        check_row_expression(expression, where="here")
    assert str(refused.value) == message


def test_an_expression_without_a_name():
    with pytest.raises(DefinitionError, match="alias"):
        output_name(pl.col("a", "b") + 1, where="here")


def test_documents_tell_expressions_apart_and_know_sets():
    assert expression_document(a + 1) == expression_document(pl.col("a") + 1)
    assert expression_document(a + 1) != expression_document(a + 2)
    assert expression_document(s.is_in(["x", "y"])) == expression_document(s.is_in({"y", "x"}))
    assert expression_document(s.is_in(["x", "y"])) != expression_document(s.is_in(["x", "z"]))
    assert expression_document(a.is_in([1])) != expression_document(a.is_in(["1"]))
    dates = [date(2024, 1, 1), date(2024, 1, 2)]
    assert expression_document(t.is_in(dates)) == expression_document(t.is_in(dates[::-1]))


def test_the_sample_finds_what_the_check_cannot():
    assert sample_disagreement(FRAME, [a.is_in(b.implode()).alias("z")]) == "z"
    assert sample_disagreement(FRAME, [pl.lit(1).alias("one")]) is None
    assert sample_disagreement(FRAME, [pl.col("f") * 2]) is None, "NaN equals NaN here"
    assert sample_disagreement(FRAME.clear(), [a + 1]) is None, "no rows: nothing differs"


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12),
    st.floats(0.1, 1e6) | st.integers(1, 10**6),
    st.data(),
)
def test_a_quotient_has_the_same_bits_alone_and_among_other_rows(values, divisor, data):
    """Polars itself divides by a constant in two ways, depending on how a column is cut."""
    wanted = [(pl.col("x") / divisor).alias("quotient")]
    whole = with_expressions(pl.DataFrame({"x": pl.Series([*values, 1.0])}), wanted)[:-1]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(values)))) | {0, len(values)})
    pieces = [pl.DataFrame({"x": values[a:b]}) for a, b in pairwise(cuts)]
    cut = with_expressions(pl.concat(pieces), wanted)
    alone = pl.concat(with_expressions(pl.DataFrame({"x": [x]}), wanted) for x in values)
    same = with_expressions(pl.select(x=pl.repeat(values[0], 5)), wanted)
    assert same["quotient"].to_list() == whole["quotient"].to_list()[:1] * 5
    for found in (cut, alone):
        assert found["quotient"].to_list() == whole["quotient"].to_list()
