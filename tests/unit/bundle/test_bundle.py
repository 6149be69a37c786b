import dataclasses
import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from octavo.bundle import Bundle, LinearEncoder, LinearModel, OrdinalEncoder, TreeModel
from octavo.errors import DataError, ResourceError

FRAME = pl.DataFrame({"delay": [1.0, None, 30.0], "carrier": ["B", "A", "B"]})


def trees(**changes):
    model = TreeModel(
        kind="binary",
        n_features=2,
        feature=[0],
        threshold=[7.0],
        left=[~0],
        right=[~1],
        default_left=[1],
        leaf_value=[-1 / 3, 0.7],
        roots=[0],
        base_score=[0.1],
    )
    parts = {
        "model": model,
        "encoder": OrdinalEncoder.fit(FRAME),
        "target": "late",
        "algorithm": "lightgbm",
        "classes": (False, True),
        "params": {"num_leaves": 31},
        "learned": {"base_rate": 0.1},
        "fingerprints": {"delay": "f1", "carrier": "f2"},
        "threshold": 0.35,
        "data_version": {"batches": ["b1"]},
        "timings": {"fit": 1.25},
    }
    return Bundle(**{**parts, **changes})


def linear():
    encoder = LinearEncoder.fit(FRAME)
    width = len(encoder.names)
    model = LinearModel(
        kind="regression", n_features=width, coef=[np.arange(width) / 7], intercept=[2.0]
    )
    return Bundle(model=model, encoder=encoder, target="minutes", algorithm="linear")


@pytest.mark.parametrize("bundle", [trees(), linear()], ids=["trees", "linear"])
def test_save_and_load(bundle, tmp_path):
    bundle.save(tmp_path / "deep" / "b")
    again = Bundle.load(tmp_path / "deep" / "b")
    for field in dataclasses.fields(Bundle):
        if field.name not in ("model", "encoder"):
            assert getattr(again, field.name) == getattr(bundle, field.name)
    assert again.content_hash == bundle.content_hash
    assert again.schema == {"delay": "Float64", "carrier": "String"}
    np.testing.assert_array_equal(again.predict(FRAME), bundle.predict(FRAME))
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["b"]
    assert sorted(path.name for path in (tmp_path / "deep" / "b").iterdir()) == [
        "bundle.json",
        "model.npz",
    ]


def test_the_document_reads_well(tmp_path):
    trees().save(tmp_path / "b")
    document = json.loads((tmp_path / "b" / "bundle.json").read_text())
    assert document["kind"] == "binary"
    assert document["schema"] == {"delay": "Float64", "carrier": "String"}
    assert document["encoder"]["columns"][1]["categories"] == ["B", "A"]
    assert document["threshold"] == 0.35


def test_the_content_hash_is_of_what_is_predicted_and_nothing_else(tmp_path):
    same = trees().content_hash
    assert trees(timings={"fit": 9.0}, target="other", params={}).content_hash == same
    leaves = dataclasses.replace(trees().model, leaf_value=[-1 / 3, np.nextafter(0.7, 1)])
    assert trees(model=leaves).content_hash != same
    assert trees(encoder=OrdinalEncoder.fit(FRAME.head(2))).content_hash != same
    kind = dataclasses.replace(trees().model, kind="regression")
    assert trees(model=kind).content_hash != same


def test_a_bundle_is_never_overwritten(tmp_path):
    trees().save(tmp_path / "b")
    with pytest.raises(ResourceError, match="never changes"):
        linear().save(tmp_path / "b")
    assert Bundle.load(tmp_path / "b").target == "late"


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="not plain JSON"):
        trees(params={"objective": object()}).save(tmp_path / "b")
    with pytest.raises(DataError, match="not plain JSON"):
        trees(timings={"fit": float("nan")}).save(tmp_path / "b")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("octavo.bundle.bundle.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        trees().save(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bundle.json", "model.npz"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "empty"])
def test_damage_is_found(tmp_path, name, damage):
    trees().save(tmp_path / "b")
    path = tmp_path / "b" / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes({"flip": content, "cut": content[:-9], "empty": b""}[damage])
    with pytest.raises(DataError, match=rf"{name}: the file (is damaged|cannot be read)"):
        Bundle.load(tmp_path / "b")


def test_an_edited_document_is_damage(tmp_path):
    trees().save(tmp_path / "b")
    path = tmp_path / "b" / "bundle.json"
    path.write_text(path.read_text().replace("0.35", "0.36"))
    with pytest.raises(DataError, match="damaged"):
        Bundle.load(tmp_path / "b")


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": 1}', '{"format": 1, "checksums": 3}'])
def test_another_document_is_damage(tmp_path, content):
    (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(DataError, match="damaged"):
        Bundle.load(tmp_path)


def test_a_later_format_says_so(tmp_path):
    (tmp_path / "bundle.json").write_text('{"format": 99, "news": true}')
    with pytest.raises(DataError, match=r"has format 99; this Octavo reads 1\. Update Octavo"):
        Bundle.load(tmp_path)


def test_a_folder_without_a_bundle(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        Bundle.load(tmp_path / "nothing")


SCRIPT = """
import sys
import octavo.bundle
assert "numba" not in sys.modules, "numba at import"
import polars as pl
bundle = octavo.bundle.Bundle.load(sys.argv[1])
assert "numba" not in sys.modules, "numba at load"
print(bundle.predict(pl.DataFrame({"delay": [1.0, 9.0], "carrier": ["A", None]})).tolist())
heavy = {"sklearn", "lightgbm", "xgboost", "optuna", "pandas", "pyarrow", "scipy.linalg"}
loaded = heavy & {*sys.modules}
assert not loaded, loaded
"""


def test_predicting_needs_no_training_library(tmp_path):
    trees().save(tmp_path / "b")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "b")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = trees().predict(pl.DataFrame({"delay": [1.0, 9.0], "carrier": ["A", None]}))
    assert json.loads(done.stdout) == expected.tolist()
