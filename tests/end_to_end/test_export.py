"""A candidate as ONNX, from the command line to what another program reads."""

import json

import numpy as np
import pytest

from octavo.bundle import Bundle
from octavo.project import load


def test_a_candidate_becomes_a_file_that_predicts_the_same(tmp_path, make_project, octavo):
    runtime = pytest.importorskip("onnxruntime")
    folder, file = make_project(tmp_path / "shop"), tmp_path / "shop.onnx"
    assert octavo("run", folder, "--to", "training").returncode == 0
    found = json.loads(octavo("candidates", folder, "--json").stdout)
    candidate = found[0]["candidate_id"]
    done = octavo("export", candidate, "--dir", folder, "--onnx", file, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"] > 0
    assert told["off"] <= 1e-9
    bundle = Bundle.load(folder / ".octavo" / "candidates" / candidate)
    session = runtime.InferenceSession(file)
    assert {one.name for one in session.get_inputs()} == set(bundle.schema)
    rows = load(folder).data("test", "both")
    given = {
        name: rows[name].fill_null("").to_numpy().astype(object)[:, None]
        if bundle.schema[name] == "String"
        else rows[name].cast(float).fill_null(np.nan).to_numpy()[:, None]
        for name in bundle.schema
    }
    predicted = session.run(["prediction"], given)[0]
    np.testing.assert_allclose(predicted, bundle.predict(rows), rtol=1e-9)
    again = octavo("export", "candidate-x", "--dir", folder, "--onnx", file)
    assert again.returncode == 2
    assert "there is no candidate 'candidate-x'" in again.stderr
