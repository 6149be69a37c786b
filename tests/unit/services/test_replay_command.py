"""`octavo replay` as it must not be called."""

import pytest
from click.testing import CliRunner

from octavo.cli.replay import replay
from octavo.errors import DataError, DefinitionError

SCRIPT = """
import polars as pl
import octavo as ov

payments = ov.Dataset("payments", online=ov.Stream(), event_id="id", event_time="at")
loaded = ov.Dataset("loaded", ov.Files("loaded.csv"))
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.5),
    datasets=[payments, loaded],
    rows=payments,
    label=ov.Label("large", of=payments, on="id", value=pl.col("amount") > 3),
    row=[pl.col("amount")],
    training=ov.Training(algorithms=["logistic"]),
)
"""


def call(folder, *options):
    (folder / "pipeline.py").write_text(SCRIPT)
    told = CliRunner().invoke(replay, ["--dir", str(folder), *options], standalone_mode=False)
    raise told.exception


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "not said where"),
        (("--url", "http://a", "--into", "b"), "not said where"),
        (("--url", "http://a", "--speed", "fast"), "no multiple"),
        (("--url", "http://a", "--speed", "0"), "no multiple"),
        (("--url", "http://a", "--speed", "nan"), "no multiple"),
        (("--url", "http://a", "--from", "noon"), "--from: 'noon' is not a time"),
        (("payment", "--url", "http://a"), "'payments'"),
    ],
)
def test_a_wrong_command_is_refused(tmp_path, options, said):
    with pytest.raises(DefinitionError, match=said):
        call(tmp_path, *options)


def test_before_anything_was_ingested_there_is_nothing_to_replay(tmp_path):
    with pytest.raises(DataError, match="nothing of it was ingested"):
        call(tmp_path, "--url", "http://a")


def test_a_home_is_not_replayed_into_itself(tmp_path):
    home = str(tmp_path / ".octavo")
    with pytest.raises(DefinitionError, match="come from this home"):
        call(tmp_path, "--into", home)
