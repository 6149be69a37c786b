"""Trials side by side may find the very same candidate."""

from types import SimpleNamespace

import numpy as np
import polars as pl

from octavo.bundle import Bundle, LinearModel, OrdinalEncoder
from octavo.stages.training.trial import store


def test_the_same_candidate_stored_by_several_at_once_is_one(tmp_path, monkeypatch):
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0]})
    model = LinearModel(kind="regression", n_features=1, coef=[[2.0]], intercept=[0.0])
    bundle = Bundle(model, OrdinalEncoder.fit(frame), "y", "own")
    save = Bundle.save

    def late(self, folder):
        if not folder.exists():
            save(self, folder)  # the other one, between the look and the writing
        save(self, folder)

    monkeypatch.setattr(Bundle, "save", late)
    material = SimpleNamespace(train=frame, validation=frame)
    name = store(bundle, material, frame, np.zeros(3), tmp_path)
    assert Bundle.load(tmp_path / name).content_hash == bundle.content_hash
    assert (tmp_path / name / "profile.json").exists()
