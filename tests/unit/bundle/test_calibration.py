"""Calibration: what is learned, that order stays, that none wins where nothing is gained."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

import octavo as ov
from octavo.bundle import Bundle, LinearEncoder, LinearModel
from octavo.bundle.calibration import Calibration, Isotonic, Sigmoid, Temperature
from octavo.bundle.decisions import best_threshold
from octavo.bundle.finishing import chosen, finished
from octavo.errors import DataError

RNG = np.random.default_rng(3)
TRUE = np.clip(RNG.beta(0.7, 2, 4000), 1e-4, 1 - 1e-4)
HAPPENED = (RNG.random(4000) < TRUE).astype(float)
LOG_ODDS = np.log(TRUE / (1 - TRUE))


def logistic(scores):
    return 1 / (1 + np.exp(-scores))


def test_nothing_is_gained_on_what_is_calibrated():
    assert chosen(TRUE, HAPPENED) is None
    assert chosen(np.full(4000, HAPPENED.mean()), HAPPENED) is None


def test_few_rows_teach_nothing():
    sure = logistic(3 * LOG_ODDS)
    assert chosen(sure[:30], HAPPENED[:30]) is None
    assert chosen(sure, np.where(np.arange(4000) < 19, 1.0, 0.0)) is None


def test_a_model_too_sure_of_itself_gets_a_sigmoid_and_its_line_is_found():
    found = chosen(logistic(3 * LOG_ODDS - 1), HAPPENED)
    assert isinstance(found, Sigmoid)
    assert found.slope == pytest.approx(1 / 3, rel=0.1)
    assert found.intercept == pytest.approx(1 / 3, abs=0.12)


def test_the_sigmoid_is_that_of_a_logistic_regression():
    found = chosen(logistic(2 * LOG_ODDS), HAPPENED)
    # Platt's targets move the optimum by a few in ten thousand at this number of rows.
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(2 * LOG_ODDS[:, None], HAPPENED)
    assert found.slope == pytest.approx(theirs.coef_[0, 0], abs=2e-3)
    assert found.intercept == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_a_bent_model_gets_knots():
    bent = np.where(TRUE < 0.5, TRUE * 0.2, 0.1 + (TRUE - 0.5) * 1.8)
    found = chosen(bent, HAPPENED)
    assert isinstance(found, Isotonic)
    told = found.apply(bent)
    assert log_loss(HAPPENED, told) < log_loss(HAPPENED, TRUE) + 0.01 < log_loss(HAPPENED, bent)


def test_a_sure_classifier_of_several_classes_gets_a_temperature():
    scores = RNG.standard_normal((3000, 3)) * 1.5
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = (chances.cumsum(axis=1) < RNG.random((3000, 1))).sum(axis=1).astype(float)
    sharp = chances**2.5
    sharp /= sharp.sum(axis=1, keepdims=True)
    found = chosen(sharp, truth)
    assert isinstance(found, Temperature)
    assert found.temperature == pytest.approx(2.5, rel=0.1)
    assert found.apply(sharp) == pytest.approx(
        sharp ** (1 / found.temperature)
        / (sharp ** (1 / found.temperature)).sum(axis=1, keepdims=True)
    )
    assert chosen(chances, truth) is None


FORMS = [
    Sigmoid(0.4, -0.3),
    Isotonic((0.0, 0.2, 0.25, 0.9, 1.0), (0.01, 0.1, 0.5, 0.6, 0.8)),
    Temperature(1.7),
]


@pytest.mark.parametrize("calibration", FORMS, ids=lambda each: each.form)
def test_it_keeps_order_and_bits_and_survives_json(calibration):
    one = np.concatenate([[0.0, 1.0, 0.2, 0.25, 1e-300], RNG.random(500)])
    predicted = np.stack([one, 1 - one], axis=1) if calibration.form == "temperature" else one
    told = calibration.apply(predicted)
    assert ((told >= 0) & (told <= 1)).all()
    alone = [calibration.apply(predicted[i : i + 1]) for i in range(len(predicted))]
    assert np.array_equal(np.concatenate(alone), told)
    first = told if told.ndim == 1 else told[:, 0]
    order = np.argsort(one, kind="stable")
    assert (np.diff(first[order]) >= 0).all()
    again = Calibration.of(json.loads(json.dumps(calibration.to_dict())))
    assert again == calibration
    assert np.array_equal(again.apply(predicted), told)


def test_knots_that_are_learned_rise_strictly_so_that_ranks_stay():
    bent = np.round(np.where(TRUE < 0.5, TRUE * 0.2, 0.1 + (TRUE - 0.5) * 1.8), 3)
    found = chosen(bent, HAPPENED)
    assert found is not None
    assert roc_auc_score(HAPPENED, found.apply(bent)) == roc_auc_score(HAPPENED, bent)
    assert 0 < found.apply(np.zeros(1))[0] < found.apply(np.ones(1))[0] < 1


def test_an_unknown_form_is_refused():
    with pytest.raises(DataError, match="of the form 'beta'; known are sigmoid"):
        Calibration.of({"form": "beta"})
    assert Calibration.of(None) is None


def bundle() -> Bundle:
    frame = pl.DataFrame({"x": [-1.0, 0.0, 1.0, 2.0]})
    model = LinearModel("binary", 1, coef=np.array([[2.0]]), intercept=np.array([-1.0]))
    return Bundle(model, LinearEncoder.fit(frame), target="odd", algorithm="logistic")


def problem(**changes):
    given = {"target": "odd", "kind": "binary", "metric": "roc_auc", "at_least": 0.6}
    return ov.Problem("Which are odd?", **(given | changes))


def test_a_bundle_is_finished_saved_and_loaded(tmp_path):
    costs = ov.Costs(false_positive=1, false_negative=9)
    sure = logistic(3 * LOG_ODDS)
    plain = bundle()
    done = finished(plain, sure, HAPPENED, problem(costs=costs))
    assert done.calibration is not None
    told = done.calibrated(sure)
    assert done.threshold == best_threshold(HAPPENED, told, "cost", costs)
    assert done.threshold == pytest.approx(0.1, abs=0.04), "1 ÷ (1 + 9), if calibrated"
    assert done.content_hash != plain.content_hash
    done.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    rows = pl.DataFrame({"x": RNG.standard_normal(50)})
    assert np.array_equal(loaded.predict(rows), done.predict(rows))
    assert not np.array_equal(loaded.predict(rows), plain.predict(rows))
    assert (loaded.threshold, loaded.content_hash) == (done.threshold, done.content_hash)
    yes = loaded.decisions(loaded.predict(rows))
    assert list(yes) == ["odd_yes"]
    assert np.array_equal(yes["odd_yes"], loaded.predict(rows) >= loaded.threshold)


def test_no_threshold_is_chosen_where_none_is_needed():
    done = finished(bundle(), TRUE, HAPPENED, problem())
    assert done.threshold is None
    assert done.decisions(TRUE) == {}
    f1 = finished(bundle(), TRUE, HAPPENED, problem(metric="f1"))
    assert f1.threshold == best_threshold(HAPPENED, TRUE, "f1", None)


def test_threshold_and_calibration_are_part_of_what_a_bundle_is():
    plain = bundle()
    hashes = {
        plain.content_hash,
        dataclasses.replace(plain, threshold=0.3).content_hash,
        dataclasses.replace(plain, calibration=Sigmoid(2.0, 0.0)).content_hash,
        dataclasses.replace(plain, calibration=Sigmoid(2.0, 0.1)).content_hash,
    }
    assert len(hashes) == 4


def test_a_bundle_from_before_there_was_calibration_is_read(tmp_path):
    plain = bundle()
    plain.save(tmp_path / "bundle")
    path = tmp_path / "bundle" / "bundle.json"
    document = json.loads(path.read_text())
    del document["calibration"], document["checksums"]["bundle.json"]
    from octavo.bundle.bundle import _hash

    sums = document.pop("checksums")
    document["checksums"] = sums | {"bundle.json": _hash(document)}
    path.write_text(json.dumps(document))
    assert Bundle.load(tmp_path / "bundle").calibration is None
