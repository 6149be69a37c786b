import numpy as np
import polars as pl
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from octavo.bundle import ENCODERS
from octavo.errors import DataError, DefinitionError
from octavo.stages.training.weighing import column, monotone, weights

ROWS = pl.DataFrame(
    {
        "amount": [1.0, 2.0, None, 5.0],
        "night": [True, None, False, True],
        "c": ["a", "b", "a", None],
    }
)


def test_classes_weigh_the_same():
    truth = np.repeat([0.0, 1.0, 2.0], [90, 9, 1])
    found = weights("balanced", truth, column("balanced", pl.DataFrame()))
    np.testing.assert_allclose(found, compute_sample_weight("balanced", truth), rtol=1e-12)


def test_a_column_of_weights_has_the_mean_1():
    rows = pl.DataFrame({"w": [1, 2, 5]})
    assert weights("w", np.zeros(3), column("w", rows)).tolist() == [0.375, 0.75, 1.875]
    assert weights(None, np.zeros(3), column(None, rows)) is None


@pytest.mark.parametrize("wrong", [None, 0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_is_none_is_refused(wrong):
    with pytest.raises(DataError, match=r"'w': 1 of 2 training rows weigh nothing"):
        weights("w", np.zeros(2), column("w", pl.DataFrame({"w": [1.0, wrong]})))


@pytest.mark.parametrize("flavour", sorted(ENCODERS))
def test_signs_meet_the_columns_of_their_features(flavour):
    encoder = ENCODERS[flavour].fit(ROWS)
    found = monotone({"amount": 1, "night": -1}, encoder)
    assert found.dtype == np.int8
    signs = dict(zip(encoder.names, found.tolist(), strict=True))
    assert {name: sign for name, sign in signs.items() if sign} == {"amount": 1, "night": -1}
    assert monotone({}, encoder) is None


def test_there_is_no_more_of_a_category():
    encoder = ENCODERS["ordinal"].fit(ROWS)
    with pytest.raises(DefinitionError, match=r"monotone\['c'\]: it is not seen as a number"):
        monotone({"c": 1}, encoder)
