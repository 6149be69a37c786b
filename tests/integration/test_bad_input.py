"""Bad input through the command line: one clear paragraph, the right exit code, nothing half-done.

Where a run goes far, is stopped or goes on, each is a process of its own, as a user starts it.
"""

import fcntl
import gzip
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.cli.main import main
from octavo.project import load
from octavo.stages.training import algorithms
from octavo.stores import catalog as tables
from octavo.stores.raw import RawStore

FAILED, USAGE, NO_CANDIDATE = 1, 2, 3
SMALL = {"orders": 120, "customers": 10}


@pytest.fixture
def here(monkeypatch, capfd):
    """Run the command in this process: what fails early need not load everything again."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr("sys.argv", ["octavo", *arguments])
        with pytest.raises(SystemExit) as leaving:
            main()
        return subprocess.CompletedProcess(arguments, leaving.value.code, *capfd.readouterr())

    return run


def said(done, code: int) -> str:
    """Check that a command failed as it should, and return the one thing it said."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    *stages, last = done.stderr.splitlines()
    assert all(line.startswith("✓ ") for line in stages), done.stderr
    assert last.startswith("octavo: ")
    assert "did not expect" not in last
    return last.removeprefix("octavo: ")


def check_agreement(folder: Path) -> dict[str, int]:
    """Check that the catalog and the raw store know the same batches; return rows by dataset."""
    project = load(folder)
    rows = {}
    for dataset in project.definition.datasets:
        committed = project.catalog.committed(dataset.name)
        rows[dataset.name] = sum(batch["rows"] for batch in committed)
        if not committed:
            assert not project.home.raw(dataset.name).exists()
            continue
        stored = RawStore(project.home).scan(dataset.name, committed)
        found = dict(stored.group_by("_batch_id").len().collect().iter_rows())
        assert found == {b["batch_id"]: b["rows"] for b in committed if b["rows"]}
    return rows


# --- What is wrong in pipeline.py, and seen before any data are read ---------------------------

DEFINITIONS = {
    "a syntax error": (
        {"row=[": "row=[[("},
        "pipeline.py:LINE: SyntaxError: closing parenthesis ']' does not match opening parenthesis "
        "'(' (pipeline.py, line LINE). Correct it.",
    ),
    "a misspelled dataset": (
        {"ov.Window(products": "ov.Window(prodcts"},
        "pipeline.py:LINE: NameError: name 'prodcts' is not defined. Correct it.",
    ),
    "a misspelled argument": (
        {"trials=1": "trails=1"},
        "pipeline.py:LINE: TypeError: Training.__init__() got an unexpected keyword argument "
        "'trails'. Correct it.",
    ),
    "a misspelled metric": (
        {'"average_precision"': '"average_precsion"'},
        "pipeline.py:LINE, Problem.metric: there is no choice 'average_precsion'. "
        "Did you mean 'average_precision'?",
    ),
    "a misspelled algorithm": (
        {'"logistic"': '"logistc"'},
        "Training.algorithms: there is no algorithm 'logistc'. Did you mean 'logistic'?",
    ),
    "an algorithm of another kind": (
        {'"logistic"': '"linear"'},
        "Training.algorithms: 'linear' learns regression, not binary. "
        "Choose among catboost, elastic_net, extra_trees, hist_gradient_boosting, last_value, "
        "lightgbm, logistic, naive, nearest_neighbours, random_forest, xgboost, or give your own.",
    ),
    "a misspelled feature in derived": (
        {"product__price_last": "product__prize_last"},
        "pipeline.py:LINE, Pipeline.derived, 'pieces': there is no feature 'product__prize_last'. "
        "Did you mean 'product__price_last'?",
    ),
    "a feature of other rows": (
        {'row=[pl.col("channel")': 'row=[pl.col("amount") - pl.col("amount").shift(1)'},
        'pipeline.py:LINE, Pipeline.row: the expression col("amount").shift([dyn int: 1]) looks at '
        "other rows. It may only use its own row; use a Window for anything else.",
    ),
    "no pipeline": (
        {"pipeline = ov.Pipeline(": "pipelin = ov.Pipeline("},
        "FOLDER/pipeline.py: it defines no `pipeline = ov.Pipeline(…)`. Add one.",
    ),
    "a script that exits": (
        {"import octavo as ov\n": "import octavo as ov\n\nraise SystemExit(0)\n"},
        "pipeline.py:LINE: SystemExit: 0. Correct it.",
    ),
}


@pytest.mark.parametrize(("edits", "message"), DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_bad_definition_fails_before_data_are_read(tmp_path, make_project, here, edits, message):
    folder = make_project(tmp_path, edits=edits, **SMALL)
    found = said(here("run", str(folder)), USAGE).replace(str(folder), "FOLDER")
    assert re.sub(r"(?<=pipeline.py:)\d+|(?<=line )\d+", "LINE", found) == message
    assert not (folder / ".octavo").exists()


def test_the_line_is_the_one_that_is_wrong(tmp_path, make_project, octavo):
    folder = make_project(tmp_path, edits={"ov.Window(products": "ov.Window(prodcts"}, **SMALL)
    lines = (folder / "pipeline.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "prodcts" in text)
    assert said(octavo("run", folder), USAGE).startswith(f"pipeline.py:{line}: NameError")


def test_an_algorithm_whose_library_is_not_installed(tmp_path, make_project, here, monkeypatch):
    folder = make_project(tmp_path, edits={'["logistic"]': '["logistic", "xgboost"]'}, **SMALL)
    monkeypatch.setattr(algorithms, "find_spec", lambda name: None)
    message = (
        "algorithm 'xgboost': it needs XGBoost, which is not installed. "
        "Install it with: pip install 'octavo[xgboost]'."
    )
    assert said(here("run", str(folder)), FAILED) == message
    assert not (folder / ".octavo" / "raw").exists(), "before data are read"
    assert here("run", str(folder), "--to", "ingestion").returncode == 0
    setting = ["config", "set", "training.algorithms", "xgboost", "--dir", str(folder)]
    assert said(here(*setting), FAILED) == message


def test_no_pipeline_at_all(tmp_path, octavo):
    message = f"{tmp_path}: there is no pipeline.py. Name the folder: `octavo run DIR`."
    assert said(octavo("run", tmp_path), USAGE) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "DIR", "--to", "trainig"],
            "there is no stage 'trainig'. Did you mean 'training'?",
        ),
        (
            ["config", "set", "training.trails", "3", "--dir", "DIR"],
            "there is no setting 'training.trails'. "
            "Did you mean 'training.trials' or 'training.threads'?",
        ),
        (["rnu", "DIR"], "No such command 'rnu'. Did you mean 'run'? See `octavo --help`."),
        (
            ["run", "DIR", "--form", "prep"],
            "No such option '--form'. (Did you mean one of: '--fresh', '--from', '--home'?) "
            "See `octavo run --help`.",
        ),
        (
            ["up", "DIR", "--port", "web"],
            "Invalid value for '--port': 'web' is not a valid integer. See `octavo up --help`.",
        ),
        (["score", "DIR"], "Missing argument 'OUT'. See `octavo score --help`."),
        (
            ["run", "DIR", "there"],
            "Got unexpected extra argument (there). See `octavo run --help`.",
        ),
    ],
    ids=["stage", "setting", "command", "option", "value", "missing", "extra"],
)
def test_a_misspelled_command_line(tmp_path, make_project, here, arguments, message):
    folder = make_project(tmp_path, **SMALL)
    given = [folder if argument == "DIR" else argument for argument in arguments]
    assert said(here(*map(str, given)), USAGE) == message


@pytest.mark.parametrize("words", [[], ["config"]])
def test_without_a_command_the_help_is_shown(here, words):
    done = here(*words)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith(f"Usage: {' '.join(['octavo', *words])} [OPTIONS] COMMAND")
    assert here(*words, "--help").stdout == done.stderr


# --- What only the data can tell ---------------------------------------------------------------

EVENT_TIME = 'event_time="ordered_at",\n    checks'
COLUMNS = {
    "event time": (
        {EVENT_TIME: EVENT_TIME.replace("ordered_at", "ordred_at")},
        "dataset 'orders', event_time: there is no column 'ordred_at'. Did you mean 'ordered_at'?",
    ),
    "two datasets": (
        {
            EVENT_TIME: EVENT_TIME.replace("ordered_at", "ordred_at"),
            "decided_at": "decidd_at",
        },
        "dataset 'orders', event_time: there is no column 'ordred_at'. Did you mean 'ordered_at'? "
        "And dataset 'returns', available: there is no column 'decidd_at'. "
        "Did you mean 'decided_at' or 'ordered_at'?",
    ),
    "text as event time": (
        {EVENT_TIME: EVENT_TIME.replace("ordered_at", "customer")},
        "dataset 'orders', event_time: it gives String, not a datetime. "
        "Convert it, e.g. with .str.to_datetime(…) or pl.from_epoch(…).",
    ),
    "check": (
        {'pl.col("amount") > 0': 'pl.col("amuont") > 0'},
        "dataset 'orders', check 'amount is positive': there is no column 'amuont'. "
        "Did you mean 'amount'?",
    ),
    "check without a condition": (
        {'pl.col("amount") > 0': 'pl.col("amount") * 2'},
        "dataset 'orders', check 'amount is positive': it gives Float64, not true or false. "
        "Compare with a value.",
    ),
    "computed column": (
        {EVENT_TIME: 'columns={"amount": pl.col("amount") * 2},\n    ' + EVENT_TIME},
        "dataset 'orders', columns['amount']: the source has a column of this name. "
        "Choose another name.",
    ),
    "row feature": (
        {'row=[pl.col("channel")': 'row=[pl.col("chanel")'},
        "Pipeline.row: there is no column 'chanel'. Did you mean 'channel'?",
    ),
    "window": (
        {
            'ov.Window(orders, "amount"': 'ov.Window(orders, "amuont"',
            "customer__amount_mean_7d": "customer__amuont_mean_7d",
        },
        "view 'customer', window over 'orders': there is no column 'amuont'. "
        "Did you mean 'amount'?",
    ),
    "window over text": (
        {
            'ov.Window(orders, "amount"': 'ov.Window(orders, "channel"',
            "customer__amount_mean_7d": "customer__channel_mean_7d",
        },
        "view 'customer', window over 'orders', 'channel': the values are String; there is no mean "
        "of texts. Of texts take count, first, last, lag, n_unique, top, since_first, since_last; "
        "or convert them to numbers.",
    ),
    "label": (
        {'value=pl.col("outcome")': 'value=pl.col("outcme")'},
        "label 'returned': there is no column 'outcme'. Did you mean 'outcome'?",
    ),
    "view key": (
        {'key="customer"': 'key="custmer"'},
        "view 'customer', key: there is no column 'custmer'. Did you mean 'customer'?",
    ),
    "window's where": (
        {'"price", take="last"': '"price", take="last", where=pl.col("price"), name="price"'},
        "view 'product', window over 'products', where: it gives Float64, not true or false. "
        "Compare with a value.",
    ),
    "binary label of text": (
        {'value=pl.col("outcome") == "returned"': 'value=pl.col("outcome")'},
        "label 'returned': a binary target cannot be String. "
        'Make label.value a condition, e.g. pl.col("delay") > 30.',
    ),
    "absent of another type": (
        {
            'value=pl.col("outcome") == "returned"': 'value=pl.col("outcome") == "returned", '
            'absent="no", mature_after="30d"'
        },
        "label 'returned': absent is 'no', but label.value gives Boolean. "
        "Make them of one type, e.g. absent=False beside a condition.",
    ),
    "feature of an odd type": (
        {'pl.col("channel"), pl': 'pl.struct("channel", "amount").alias("both"), pl'},
        "feature 'both': a column of type Struct({'channel': String, 'amount': Float64}) is "
        "not a model input. Make it a number (such as the time elapsed since it), or leave it out.",
    ),
}


@pytest.mark.parametrize("wrong", [name for name in COLUMNS if name not in ("window", "label")])
def test_what_only_the_data_can_tell(tmp_path, make_project, here, wrong):
    edits, message = COLUMNS[wrong]
    folder = make_project(tmp_path, edits=edits, **SMALL)
    assert said(here("run", str(folder), "--to", "segregation"), USAGE) == message
    check_agreement(folder)


def test_what_is_corrected_goes_on_where_it_failed(tmp_path, make_project, octavo):
    for wrong, ran in [
        ("event time", ["problem"]),
        ("window", ["problem", "ingestion"]),
        ("label", ["problem", "prep"]),
    ]:
        edits, message = COLUMNS[wrong]
        folder = make_project(tmp_path, edits=edits, **SMALL)
        done = octavo("run", folder)
        assert said(done, USAGE) == message
        assert [line.split()[1] for line in done.stderr.splitlines()[:-1]] == ran
        assert load(folder).status()["error"] == message
    done = octavo("run", make_project(tmp_path, **SMALL), "--to", "segregation")
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["problem", "segregation"]
    assert check_agreement(folder) == {"orders": 120, "returns": 120, "products": 12}


TARGETS = {
    "constant": (
        {'value=pl.col("outcome") == "returned"': 'value=pl.col("outcome") != "lost"'},
        "label 'returned': the target 'returned' is constant: True in all 2000 rows. "
        "There is nothing to learn; check label.value.",
    ),
    "never known": (
        {'on="order_id", value=pl.col("outcome") == "returned"': 'on="order_id", '
         'value=pl.when(pl.col("outcome") == "lost").then(pl.lit(True))'},
        "label 'returned' of dataset 'returns': no row has a known 'returned'. "
        "Check label.on and label.value: event IDs must be the same in both datasets.",
    ),
    "in no train part": (
        {'gap="1d"': 'gap="60d"'},
        "split of 2000 labeled rows: the train part has no labeled row. "
        "Give it a larger share, or shorten the gap.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edits", "message"), TARGETS.values(), ids=TARGETS)
def test_a_target_that_cannot_be_learned(finished, tmp_path, make_project, here, edits, message):
    folder = make_project(shutil.copytree(finished, tmp_path / "shop"), edits=edits)
    assert said(here("run", str(folder)), FAILED) == message


def test_no_row_to_predict(tmp_path, make_project, here):
    edits = {EVENT_TIME: 'where=pl.col("channel") == "fax",\n    ' + EVENT_TIME}
    folder = make_project(tmp_path, edits=edits, **SMALL)
    assert said(here("run", str(folder)), FAILED) == (
        "dataset 'orders': there is no row to predict: where= keeps none. Correct where=."
    )


# --- Files -------------------------------------------------------------------------------------


def truncate(file: Path) -> None:
    packed = gzip.compress(file.read_bytes())
    file.unlink()
    file.with_name("orders.csv.gz").write_bytes(packed[: len(packed) // 2])


def as_garbage(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 40)


FILES = {
    "missing": (Path.unlink, "no file matches 'data/orders*'."),
    "empty": (lambda file: file.write_text(""), "the file is empty."),
    "only a header": (
        lambda file: file.write_text("order_id,ordered_at,customer,product,channel,amount\n"),
        "the file has a header but no rows.",
    ),
    "cut off": (truncate, "the file ends in the middle: it was cut off or is still being written."),
    "garbage": (as_garbage, "its first line holds control characters: this is not a text file."),
}


@pytest.mark.parametrize(("spoil", "message"), FILES.values(), ids=FILES)
def test_a_bad_file(tmp_path, make_project, octavo, spoil, message):
    edits = {"data/orders*.csv": "data/orders*"}
    folder = make_project(tmp_path, edits=edits, **SMALL)
    file = folder / "data" / "orders.csv"
    good = file.read_bytes()
    spoil(file)
    found = said(octavo("run", folder), FAILED)
    assert found.startswith("dataset 'orders', ")
    assert message in found
    assert check_agreement(folder) == {"orders": 0, "returns": 120, "products": 12}
    (folder / "data" / "orders.csv.gz").unlink(missing_ok=True)
    file.write_bytes(good)
    assert octavo("run", folder, "--to", "ingestion").returncode == 0
    assert check_agreement(folder) == {"orders": 120, "returns": 120, "products": 12}


def test_a_run_counts_what_an_earlier_definition_failed_to_ingest(tmp_path, make_project, here):
    folder = str(make_project(tmp_path, edits=COLUMNS["event time"][0], **SMALL))
    assert here("run", folder, "--to", "ingestion").returncode == USAGE
    make_project(tmp_path, **SMALL)
    status = json.loads(here("run", folder, "--to", "ingestion", "--json").stdout)
    found = next(stage for stage in status["stages"] if stage["name"] == "ingestion")
    assert found["rows_in"] == 120  # the other datasets were ingested by the run before


def test_parquet_of_another_schema_than_the_batch_before(tmp_path, make_project, octavo):
    edits = {"data/orders*.csv": "data/orders*.parquet"}
    folder = make_project(tmp_path, edits=edits, **SMALL)
    frame = pl.read_csv(folder / "data" / "orders.csv", try_parse_dates=True)
    first, second = (folder / "data" / f"orders-{n}.parquet" for n in (0, 1))
    frame.head(60).write_parquet(first)
    assert octavo("run", folder, "--to", "ingestion").returncode == 0
    amount = pl.when(pl.int_range(60) < 10).then(pl.lit("many")).otherwise("amount")
    frame.tail(60).with_columns(amount=amount).write_parquet(second)
    assert octavo("run", folder, "--to", "ingestion").returncode == 0
    assert check_agreement(folder)["orders"] == 110
    rejected = RawStore(load(folder).home).rejected("orders")
    assert rejected["rule"].to_list() == ["type"] * 10
    assert rejected["reason"].str.contains("'many' is not a number").all()


# --- The machine -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["60k", "180k", "400k"])
def test_a_full_disk(tmp_path, make_project, octavo_apart, small_disk, size):
    """Whichever store meets it says the same; with more space the same command goes on.

    Which one that is depends on the machine: the smallest disk is too small for a new catalog,
    the largest too small for the rows.
    """
    folder = make_project(tmp_path / "shop", orders=20_000)
    with small_disk(tmp_path / "disk", size) as disk:
        found = said(octavo_apart("run", folder, "--to", "ingestion", "--home", disk), FAILED)
        assert "the disk is full. Free some space and run again" in found
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        again = octavo_apart("run", folder, "--to", "ingestion", "--home", disk)
        assert again.returncode == 0, again.stderr
        project = load(folder, disk)
        stored = RawStore(project.home).scan("orders", project.catalog.committed("orders"))
        assert stored.select(pl.len()).collect().item() == 20_000


@pytest.mark.parametrize("left", [60_000, 250_000, 500_000])
def test_a_full_disk_while_it_trains(tmp_path, make_project, octavo_apart, small_disk, left):
    """What meets it differs: rows that trials share, encoded ones, predictions, the catalog."""
    edits = {'["logistic"], trials=1': '["logistic", "lightgbm"], trials=4'}
    folder = make_project(tmp_path / "shop", orders=20_000, edits=edits)
    with small_disk(tmp_path / "disk", "60m") as disk:
        done = octavo_apart("run", folder, "--to", "segregation", "--home", disk)
        assert done.returncode == 0, done.stderr
        (disk / "filling").write_bytes(bytes(shutil.disk_usage(disk).free - left))
        found = said(octavo_apart("run", folder, "--to", "training", "--home", disk), FAILED)
        assert "the disk is full. Free some space and run again" in found
        (disk / "filling").unlink()
        again = octavo_apart("run", folder, "--to", "training", "--home", disk)
        assert again.returncode == 0, again.stderr
        rows = load(folder, disk).catalog.rows(sa.select(tables.trials))
        assert {row["state"] for row in rows} == {"complete"}


def interrupted(start_octavo, folder: Path, ready) -> str:
    """Start a run, press Ctrl-C when it is ready, and return what it said."""
    process = start_octavo("run", folder)
    try:
        deadline = time.monotonic() + 60
        while not ready() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return said(subprocess.CompletedProcess([], process.returncode, out, err), FAILED)


INTERRUPTED = "Interrupted. Nothing is half-done; the same command continues where it stopped."


def test_interrupted_while_it_ingests(tmp_path, make_project, octavo, start_octavo):
    folder = make_project(tmp_path, parts=30, **SMALL)
    log = folder / ".octavo" / "raw" / "orders" / "_delta_log"
    message = interrupted(start_octavo, folder, lambda: len(list(log.glob("*.json"))) > 3)
    assert message == INTERRUPTED
    assert 0 < check_agreement(folder)["orders"] < 120
    assert load(folder).status()["state"] == "interrupted"
    again = octavo("run", folder, "--to", "ingestion", "--json")
    assert again.returncode == 0, again.stderr
    assert check_agreement(folder) == {"orders": 120, "returns": 120, "products": 12}
    status = json.loads(again.stdout)
    assert next(s for s in status["stages"] if s["name"] == "ingestion")["rows_in"] == 252


SLOW = """
import time
from pathlib import Path

from octavo.stages.training.algorithms import Logistic


class Slow(Logistic):
    name = "slow"

    def fit(self, X, y, params, task):
        if not Path(__file__).with_name("fast").exists():
            Path(__file__).with_name("fitting").touch()
            time.sleep(60)
        return super().fit(X, y, params, task)


pipeline = """


def test_interrupted_while_it_trains(finished, tmp_path, make_project, octavo, start_octavo):
    edits = {"pipeline = ": SLOW, '["logistic"], trials=1': '["logistic", Slow()], trials=2'}
    folder = make_project(shutil.copytree(finished, tmp_path / "shop"), edits=edits)
    message = interrupted(start_octavo, folder, (folder / "fitting").exists)
    assert message == INTERRUPTED
    before = load(folder).catalog.rows(sa.select(tables.trials))
    assert {trial["algorithm"] for trial in before} == {"logistic"}
    (folder / "fast").touch()
    again = octavo("run", folder, "--to", "training", "--json")
    assert again.returncode == 0, again.stderr
    assert "prep" not in again.stderr, "it goes on where it stopped"
    only = tables.trials.c.role == "trial"
    after = load(folder).catalog.rows(sa.select(tables.trials).where(only))
    assert {(t["algorithm"], t["state"]) for t in after if t not in before} == {
        ("slow", "complete")
    }


def test_another_run_under_way(tmp_path, make_project, octavo):
    folder = make_project(tmp_path, **SMALL)
    (folder / ".octavo").mkdir()
    with (folder / ".octavo" / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = said(octavo("run", folder), FAILED)
    assert found == (
        f"{folder}/.octavo: another run is under way (process 4711). "
        "Wait for it, or stop it; `octavo status` shows how far it is."
    )


def test_a_home_that_is_a_file(tmp_path, make_project, octavo):
    folder = make_project(tmp_path, **SMALL)
    found = said(octavo("run", folder, "--home", folder / "pipeline.py"), FAILED)
    assert found.startswith("the machine refused: ")


def test_debug_shows_where(tmp_path, octavo):
    done = octavo("run", tmp_path, "--debug")
    assert done.returncode == USAGE
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("octavo: ")


# --- A finished project ------------------------------------------------------------------------


def test_a_run_tells_its_outcome_as_json(finished):
    document = json.loads((finished.parents[1] / "finished.json").read_text())
    assert document["state"] == "succeeded"
    assert document["verdict"]["answered"]
    assert [stage["state"] for stage in document["stages"]] == ["succeeded"] * 8


READERS = [
    ["run", "DIR", "--dry-run"],
    ["explain", "DIR"],
    ["status", "DIR"],
    ["batches", "DIR"],
    ["batches", "DIR", "--rejected"],
    ["batches", "DIR", "--rejected", "-o", "DIR/rejected.csv"],
    ["candidates", "DIR"],
    ["candidates", "DIR", "--trials"],
    ["data", "DIR", "--split", "test", "-o", "DIR/test.parquet"],
    ["features", "get", "c01", "--view", "customer", "--dir", "DIR"],
    ["config", "get", "--dir", "DIR"],
    ["config", "history", "--dir", "DIR"],
    ["score", "DIR/data/orders.csv", "DIR/answers.csv", "--dir", "DIR"],
]


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_json_is_one_document_and_nothing_else(finished, here, arguments):
    done = here(*(a.replace("DIR", str(finished)) for a in arguments), "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict | list)
    assert done.stderr == ""


def test_commands_that_run_give_one_document_too(finished, here):
    for verb in ("run", "monitor"):
        done = here(verb, str(finished), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["state"] == "succeeded"


WRONG = {
    "run DIR --fresh --dry-run": "--dry-run looks at the home as it is, --fresh deletes it. "
    "Leave out one of them: after --fresh all stages run.",
    "data DIR --split tarin": "there is no split 'tarin'. Did you mean 'train'?",
    "data DIR -o DIR/x.xls": "DIR/x.xls: there is no format '.xls'. "
    "Known: .arrow, .csv, .ndjson, .parquet.",
    "features get c01 --view custmer --dir DIR": "there is no view 'custmer'. "
    "Did you mean 'customer'?",
    "features get c01 --view customer --at today --dir DIR": "--at: 'today' is not a time. "
    "Write 2013-12-24T15:00.",
    "batches DIR --batch x -o DIR/x.xls": "DIR/x.xls: there is no format '.xls'. "
    "Known: .arrow, .csv, .ndjson, .parquet.",
    "score DIR/data/orders.csv DIR/x.xls --dir DIR": "DIR/x.xls: there is no format '.xls'. "
    "Known: .arrow, .csv, .ndjson, .parquet.",
}


@pytest.mark.parametrize(("line", "message"), WRONG.items(), ids=WRONG)
def test_a_wrong_question(finished, here, line, message):
    done = here(*(a.replace("DIR", str(finished)) for a in line.split()))
    assert said(done, USAGE) == message.replace("DIR", str(finished))


def test_no_candidate_answers_what_cannot_be_reached(finished, tmp_path, make_project, octavo):
    folder = shutil.copytree(finished, tmp_path / "shop")
    make_project(folder, edits={"ov.Lift(1.3)": "0.999"})
    done = octavo("run", folder, "--json")
    assert done.returncode == NO_CANDIDATE
    verdict = json.loads(done.stdout)["verdict"]
    assert not verdict["answered"]
    assert "0.9990 is needed" in verdict["reason"]
    assert "Traceback" not in done.stderr
