"""What `octavo init` makes of the faults that quality finds."""

import ast
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from octavo import definition
from octavo.errors import DataError
from octavo.services.drafting import code, make_draft, read_tables, repaired, script, words
from octavo.services.drafting.tables import Table
from octavo.stores.raw import REJECTED_SCHEMA

ROWS = 400


def messy() -> pl.DataFrame:
    """Invent a table of texts as people export them, with faults in known columns."""
    rng = np.random.default_rng(3)
    weight = np.round(rng.uniform(1, 90, ROWS), 2)
    order = np.arange(ROWS)
    return pl.DataFrame(
        {
            "weight": [f"{w:.2f} kg" if n % 3 else f"{w:.2f}" for n, w in enumerate(weight)],
            "height": np.where(order % 40 == 0, -999.0, np.round(rng.normal(170, 9, ROWS), 1)),
            "steps": np.where(order % 50 == 0, -1, rng.integers(0, 20_000, ROWS)),
            "town": np.where(order % 60 == 0, "unknown", rng.choice(["Bonn", "Köln", "Ulm"], ROWS)),
            "plan": np.where(order % 30 == 0, "BASIC", rng.choice(["basic", "plus"], ROWS)),
            "seen": [f"{1 + d % 28:02}/{1 + d % 12:02}/2024" for d in range(ROWS - 20)]
            + [f"2024-03-{1 + d:02}" for d in range(20)],
            "speed": np.where(order == 7, 1048.4, np.round(rng.gamma(4, 3, ROWS), 1)),
            "left": np.where(weight + rng.normal(0, 30, ROWS) > 50, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Table:
    file = tmp_path_factory.mktemp("people") / "people.csv"
    messy().write_csv(file, separator=";")
    return repaired(read_tables([file]), "left")[0]


def test_what_clearly_repairs_is_declared_and_the_rest_left_to_a_person(people):
    lines = {repair.line: repair.declared for repair in people.repairs}
    assert lines['ov.AsNumber("weight", units={"kg": 1.0})']
    assert lines['ov.Null("height", values=[-999])']
    assert lines['ov.Null("town", values=["unknown"])']
    assert lines['ov.Normalize("plan", replace={"BASIC": "basic"})']
    assert not lines['ov.Null("steps", values=[-1])'], "a code of −1 may be meant"
    assert not next(on for line, on in lines.items() if '"speed"' in line), "rare is not wrong"


def test_what_follows_is_drafted_from_treated_columns(people):
    frame, raw = people.frame, messy()
    expected = raw["weight"].str.strip_chars(" kg").cast(pl.Float64)
    assert frame["weight"].equals(expected)
    assert frame["height"].null_count() == (raw["height"] == -999).sum()
    assert set(frame["town"].drop_nulls()) == {"Bonn", "Köln", "Ulm"}
    assert frame["steps"].min() == -1, "what is not declared is not applied"
    assert frame["seen"].dtype == pl.Date, "two forms of dates can both be read"
    assert ("dates", ("seen",)) in {(each.rule, each.columns) for each in people.findings}
    draft = make_draft([people], "left", None, ())
    assert {c.name: c.role for c in draft.features}["weight"] == "number"


def test_the_lines_stand_in_the_definition_with_the_reason(people, tmp_path):
    source = script(make_draft([people], "left", None, ()), tmp_path)
    space: dict = {}
    exec(source, space)
    treat = space["people"].treat
    assert [(type(each).__name__, each.column) for each in treat] == [
        (type(repair.treatment).__name__, repair.column)
        for repair in people.repairs
        if repair.declared
    ]
    assert '        # ov.Null("steps", values=[-1]),\n' in source
    off = [line for line in source.splitlines() if line.startswith("        # ov.")]
    put_in = source
    for line in off:
        put_in = put_in.replace(line, line.replace("# ", "", 1))
    exec(put_in, space)
    assert len(space["people"].treat) == len(treat) + len(off), "what is off is easily put in"


def test_faults_are_told_in_words_with_what_becomes_of_them(people):
    said = " ".join(text for _, text in words(make_draft([people], "left", None, ())))
    assert "height is -999 in 10 rows (2.5 %)" in said
    assert 'Treated: ov.Null("height", values=[-999])' in said
    assert 'Not treated; if it should be: ov.Null("steps", values=[-1])' in said


def test_no_value_of_the_target_is_taken_away_unasked():
    kinds = ["none", "one", "two", "three"] * 50
    frame = pl.DataFrame({"kind": kinds, "x": np.random.default_rng(0).normal(size=200)})
    table = Table("rows", (Path("rows.csv"),), frame, pl.DataFrame(schema=REJECTED_SCHEMA))
    (as_target,) = repaired([table], "kind")
    assert set(as_target.frame["kind"]) == set(kinds)
    (as_feature,) = repaired([table], "x")
    assert as_feature.frame["kind"].null_count() == 50


@pytest.mark.parametrize(("odd", "treated"), [("1 200 kg", True), ("n/k", False)])
def test_a_target_is_read_as_numbers_only_if_every_value_is_one(tmp_path, odd, treated):
    loads = [f"{n} kg" for n in range(300)] + [odd] * 3
    frame = pl.DataFrame({"load": loads, "x": np.random.default_rng(0).normal(size=303)})
    frame.write_csv(tmp_path / "loads.csv", separator=";")
    (found,) = repaired(read_tables([tmp_path / "loads.csv"]), "load")
    reads = [each for each in found.repairs if isinstance(each.treatment, definition.AsNumber)]
    assert [each.declared for each in reads] == [treated]
    assert found.frame["load"].null_count() == found.rejected.height == 0
    if not treated:
        with pytest.raises(DataError, match="Leave empty in the file what is no number"):
            make_draft([found], "load", None, ())
    (as_feature,) = repaired(read_tables([tmp_path / "loads.csv"]), "x")
    assert as_feature.frame["load"].dtype == pl.Float64


def test_rows_that_a_treatment_lets_in_are_read_again(tmp_path):
    values = [f"{v}.5" for v in range(300)] + ["12,5", "1 200,5 kg", "7,25"]
    frame = pl.DataFrame({"load": values, "y": [0, 1, 1] * 101})
    frame.write_csv(tmp_path / "loads.csv", separator=";")
    (plain,) = read_tables([tmp_path / "loads.csv"])
    (table,) = repaired([plain], "y")
    assert plain.rejected.height == 3
    assert table.rejected.height == 0
    assert table.frame["load"].dtype == pl.Float64
    assert table.frame["load"].to_list()[-3:] == [12.5, 1200.5, 7.25]


@pytest.mark.parametrize(
    "line",
    [
        'ov.Null("a", where=(pl.col("a") % 100 >= 60) | (pl.col("a") > 2400))',
        'ov.Normalize("b", replace={"x": "y", "longer than it was": "z"}, strip=True)',
        'ov.AsTime("c", formats=["%d/%m/%Y", "%Y-%m-%d"])',
    ],
)
def test_source_is_taken_apart_and_put_together_the_same(line):
    tree = code.parsed(line)
    assert code.written(tree) == line
    broken = code.written(tree, indent=0, before=80)
    assert ast.dump(ast.parse(broken)) == ast.dump(ast.parse(line))
    space = {"ov": definition, "pl": pl}
    assert definition.fingerprint(eval(broken, space)) == definition.fingerprint(  # noqa: S307
        eval(line, space)  # noqa: S307
    )


def test_an_export_with_decimal_commas_thousands_and_repeated_rows(tmp_path):
    """A few amounts are of thousands; read as text, the column tells how all are written."""
    amounts = [f"{n % 900},{n % 90 + 10}" for n in range(400)]
    amounts[5], amounts[80], amounts[399] = "1.370,83", "2.442,00", "1.234.567,89"
    towns = [f" bonn{' ' * (n % 2)}" if n % 5 == 0 else "Bonn" for n in range(400)]
    rows = [
        f"A-{n:05};{a};{t};{n % 3}" for n, (a, t) in enumerate(zip(amounts, towns, strict=True))
    ]
    rows += rows[10:30]
    file = tmp_path / "orders.csv"
    file.write_text("\n".join(["Order-Nr;amount;town;y", *rows]))
    (table,) = repaired(read_tables([file]), "y")
    lines = [repair.line for repair in table.repairs if repair.declared]
    assert 'ov.AsNumber("amount", decimal=",")' in lines
    assert table.rejected.height == 0
    assert table.frame["amount"].null_count() == 0
    assert table.frame["amount"].max() == 1_234_567.89
    assert set(table.frame["town"]) == {"Bonn"}, "labels are looked at again without their blanks"
    draft = make_draft([table], "y", None, ())
    assert draft.event_id == "Order-Nr", "rows that repeat another as a whole are the same event"
