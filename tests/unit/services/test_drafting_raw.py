"""What `octavo init` makes of prose, lists, nested keys, and times that are texts."""

import json
import random

import polars as pl
import pytest

from octavo.services.drafting import make_draft, read_tables, script, tables
from octavo.services.drafting.columns import describe
from octavo.services.drafting.prose import skill_of_words

N = 400


def prose(seed, telling=None):
    """Return sentences, of which some hold a word where a row is true."""
    rng = random.Random(seed)
    words = [f"word{i}" for i in range(60)]
    texts = [" ".join(rng.choices(words, k=9)) for _ in range(N)]
    return texts if telling is None else [
        f"{text} broken" if is_true and rng.random() < 0.9 else text
        for text, is_true in zip(texts, telling, strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_words_pay_where_they_tell_of_the_target_and_not_by_chance(seed):
    rng = random.Random(seed + 100)
    labels = pl.Series([rng.random() < 0.3 for _ in range(N)])
    assert skill_of_words(pl.Series(prose(seed, labels)), labels, is_number=False) > 0.6
    assert skill_of_words(pl.Series(prose(seed)), labels, is_number=False) == 0
    numbers = labels.cast(pl.Float64) * 5 + pl.Series([rng.random() for _ in range(N)])
    assert skill_of_words(pl.Series(prose(seed, labels)), numbers, is_number=True) > 0.3
    assert skill_of_words(pl.Series(prose(seed)), numbers, is_number=True) == 0
    classes = pl.Series([rng.choice("abc") for _ in range(N - 1)] + ["rare"])
    assert skill_of_words(pl.Series(prose(seed)), classes, is_number=False) == 0


def test_few_rows_or_one_outcome_say_nothing():
    labels = pl.Series([True, False] * 50)
    assert skill_of_words(pl.Series(prose(1, [True] * N)[:100]), labels, is_number=False) == 0
    assert skill_of_words(pl.Series(prose(1)), pl.Series([True] * N), is_number=False) == 0


def test_a_class_that_is_rare_among_the_drawn_rows_is_left_out(monkeypatch):
    monkeypatch.setattr("octavo.services.drafting.prose.LOOKED_AT", 300)
    rows = 3 * N
    labels = pl.Series(["rare" if i % 100 == 0 else "ab"[i % 3 == 0] for i in range(rows)])
    telling = [label == "a" for label in labels]
    texts = [f"word{i % 7} {'broken' if told else 'well'}" for i, told in enumerate(telling)]
    found = skill_of_words(pl.Series(texts), labels, is_number=False)  # a warning is an error
    assert found > 0.9


@pytest.mark.parametrize(
    ("texts", "role"),
    [
        (['[{"a": 1}]', "[]", '[{"a": 2}, {"b": "x"}]'] * 9, "nothing"),
        (['{"a": 1}', '{"b": 2}'] * 9, "nothing"),
        (['["x", "y"]', "[]", '["x"]'] * 9, "category"),
        (["[1, 2]", "{x"] * 9, "category"),
    ],
)
def test_objects_as_text_are_no_features_and_lists_of_words_are(texts, role):
    found = describe(pl.Series("items", texts))
    assert found.role == role
    assert ("ov.Nested(rows='items')" in found.why) == texts[0].startswith("[{")


@pytest.fixture
def drafted(tmp_path):
    def draft(records, target="y"):
        path = tmp_path / "t.ndjson"
        path.write_text("".join(json.dumps(each) + "\n" for each in records))
        return script(make_draft(read_tables([path]), target, None, []), tmp_path)

    return draft


def test_times_and_maps_of_a_format_without_either_are_declared(drafted):
    rng = random.Random(4)
    source = drafted(
        {
            "at": f"2024-01-{1 + i // 20:02}T{i % 20:02}:00:00Z",
            "due": f"2024-0{1 + i % 9}-01",
            "note": "2024-01-01" if i % 9 else "soon",
            "by_day": {f"2024-02-{rng.randrange(1, 29):02}": i},
            "who": {"age": i % 50},
            "y": rng.random() < 0.5,
        }
        for i in range(N)
    )
    assert 'types={"at": pl.Datetime("us", "UTC"), "due": pl.Date}' in source
    assert 'nested=ov.Nested(whole="by_day")' in source
    assert '"who.age"' in source
    assert '*ov.calendar("due", "weekday", until="at")' in source
    assert '*ov.calendar("at", ["hour", "day_cycle", "weekday", "is_weekend"])' in source
    compile(source, "pipeline.py", "exec")


def test_names_with_dots_are_no_objects(tmp_path):
    rng = random.Random(4)
    genes = [f"gene.{n}" for n in range(1, 26)]
    rows = [
        {name: rng.random() if rng.random() < 0.1 else None for name in genes} for _ in range(N)
    ]
    frame = pl.DataFrame(rows).with_columns(y=pl.Series([rng.random() < 0.5 for _ in range(N)]))
    frame.write_csv(tmp_path / "flat.csv")
    frame.write_parquet(tmp_path / "flat.parquet")
    # Some keys are data, and some names merely have dots.
    mixed = [row | {"by_day": {f"d{rng.randrange(40)}": i}} for i, row in enumerate(rows)]
    (tmp_path / "mixed.ndjson").write_text("".join(json.dumps(each) + "\n" for each in mixed))
    reading = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_parsed", at_most(5, tables._parsed))
        for path in sorted(tmp_path.iterdir()):
            (found,) = read_tables([path])
            assert set(genes) <= set(found.frame.columns)
            reading[path.name] = found.reading.whole
    assert reading == {"flat.csv": (), "flat.parquet": (), "mixed.ndjson": ("by_day",)}


def at_most(times, function):
    """Return a function that fails when it is called too often."""
    left = iter(range(times * 3))

    def called(*arguments):
        next(left)
        return function(*arguments)

    return called


def test_drafted_names_are_no_other_columns(drafted):
    rng = random.Random(4)
    rows = [rng.random() < 0.5 for _ in range(N)]
    source = drafted(
        {
            "_text": text, "text": i % 7, "text_words": i % 3,
            "at": f"2024-01-{1 + i // 20:02}T{i % 20:02}:00:00Z", "at_hour": i % 20 + rng.random(),
            "y": is_true,
        }
        for i, (text, is_true) in enumerate(zip(prose(4, rows), rows, strict=True))
    )  # fmt: skip
    assert 'pl.col("_text").alias("text_2")' in source
    assert '.alias("text_2_words")' in source
    assert 'name="at_2"' in source
    assert 'texts={"text_2": ov.Ngrams()}' in source
    namespace: dict = {}
    exec(source, namespace)  # a definition refuses equal names
    assert "at_2_hour" in namespace["pipeline"].features
