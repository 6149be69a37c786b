"""A card says what is recorded, of every kind and of less; it stands alone whatever data say."""

import numpy as np
import pytest
from recorded import METRICS, recorded
from tests.standing import read_page

from octavo.card import card
from octavo.card.curves import CLASSES
from octavo.card.data import BATCHES
from octavo.card.features import LISTED

HOSTILE = """</title></style><script>alert("1")</script><b onclick='x'>&amp; a"b'c"""
BLANK = (
    "trial", "study", "problem", "verdict", "evaluation", "data", "deployed", "began", "definition",
    "code",
)  # fmt: skip


def told_of(known):
    return read_page(card(known))[0]


@pytest.mark.parametrize("kind", METRICS)
def test_every_kind_is_told(kind):
    known = recorded(kind)
    text, tags = read_page(card(known))
    low, high = known["verdict"]["test_interval"]
    assert "Which are odd?" in text
    assert f"On test, {METRICS[kind]} is 0.7500 (95 % interval" in text
    assert f"{low:.4f} to {high:.4f}, 600 rows); 0.3438 was needed." in text
    assert "The trivial baseline has 0.2812." in text
    assert (
        "Its gain over the trivial baseline is 0.1250 (95 % interval 0.0625 to 0.2500, p = 0.015"
        in text
    )
    assert "1,200 1,100 31.25% 2023-11-14 22:13 2024-03-09 16:00" in text
    assert "answer x It tells all." in text
    assert "orders 1 1,200 7 0" in text
    assert "trained on 1,200 rows. Nothing later than 2024-03-09 16:00 UTC was used" in text
    assert "training.trials 4 config version 2" in text
    assert "training.seed 7 pipeline.py, or the environment" in text
    assert "numpy 2.4.6" in text
    assert "octavo reproduce candidate-0123456789ab" in text
    assert "of all candidates of this data version 3 times" in text
    pictures = {"binary": 4, "multiclass": 1, "regression": 3, "anomaly": 0}
    assert tags.count("figure") == pictures[kind]
    assert ("Costs" in text) == ("Fairness between groups of shop" in text) == (kind == "binary")
    assert ("Declared slices" in text) == (kind != "anomaly")


def test_a_figure_that_is_drawn_is_where_it_belongs():
    known = recorded("binary")
    known["evaluation"]["curves"]["roc"] = {"x": [0.0, 0.5, 1.0], "y": [0.0, 1.0, 1.0]}
    page = card(known)
    roc = page.split('aria-label="ROC"')[1].split("</svg>")[0]
    # 298 wide from 52, 216 high from 240 upwards
    assert 'class="plain" points="52.0,240.0 350.0,24.0"' in roc
    assert 'class="curve" points="52.0,240.0 52.0,240.0 201.0,24.0 350.0,24.0"' in roc


def test_what_is_told_lies_across_and_what_came_true_upwards():
    known = recorded("binary")
    known["evaluation"]["curves"]["calibration"] = [{"told": 0.25, "true": 0.75, "rows": 10_000}]
    drawn = card(known).split('aria-label="Calibration"')[1].split("</svg>")[0]
    assert 'cx="145.1" cy="37.5"' in drawn  # on axes from 0 to 0.8
    assert "told 0.25, came true 0.75, of 10,000 rows" in drawn


def test_confusion_counts_all_rows():
    known = recorded("multiclass")
    text = told_of(known)
    counts = np.array(known["evaluation"]["curves"]["confusion"])
    for name, row in zip(("low", "high", "other"), counts, strict=True):
        place = ["low", "high", "other"].index(name)
        line = f"{name} {' '.join(map(str, row))} {row.sum()} {row[place] / row.sum():.1%}"
        assert line in text


def test_the_nearest_miss_says_by_how_much():
    known = recorded("binary")
    known["verdict"] |= {"answered": False, "promoted": False, "reason": "it is missed by 0.0123"}
    text = told_of(known)
    assert "Not answered: the nearest miss" in text
    assert "it is missed by 0.0123" in text


@pytest.mark.parametrize(
    ("gain", "p", "significant", "said"),
    [
        (0.25, 0.0001, True, "p < 0.001; more than chance"),
        (0.25, 0.25, False, "p = 0.250; it may be chance"),
        (-0.25, 0.0001, False, "p < 0.001; it is no better"),
    ],
)
def test_a_gain_says_how_sure_it_is(gain, p, significant, said):
    known = recorded("binary")
    known["verdict"]["gain"] |= {"gain": gain, "p": p, "significant": significant}
    assert f"is {gain:.4f} (95 % interval 0.0625 to 0.2500, {said})" in told_of(known)


def test_a_champion_is_compared():
    known = recorded("binary")
    gain = {"gain": 0.03125, "interval": [-0.0625, 0.125], "p": 0.5, "significant": False}
    known["verdict"]["champion"] = {
        "candidate": "candidate-old", "rows": 321, "champion": 0.71875, "challenger": 0.75,
        "gain": gain,
    }  # fmt: skip
    text = told_of(known)
    assert "The champion candidate-old has 0.7188 and this candidate 0.7500 on the same 321" in text
    assert "it may be chance" in text
    known["verdict"]["champion"] = {"candidate": "candidate-old", "rows": 0, "why": "other classes"}
    assert "could not be compared: other classes." in told_of(known)


def test_what_was_never_judged_says_that_test_was_not_read():
    known = recorded("binary") | {"verdict": None, "evaluation": None, "readings": (0, 1)}
    text, tags = read_page(card(known))
    assert "Not judged" in text
    assert "average_precision on validation is 0.8125" in text
    assert "Test was not read for it." in text
    assert "on test is" not in text
    assert "figure" not in tags


@pytest.mark.parametrize("missing", BLANK)
@pytest.mark.parametrize("kind", METRICS)
def test_what_is_missing_is_left_out(kind, missing):
    assert "candidate-0123456789ab" in told_of(recorded(kind) | {missing: None})


@pytest.mark.parametrize("kind", METRICS)
def test_with_next_to_nothing_there_is_a_card(kind):
    known = recorded(kind) | dict.fromkeys(BLANK)
    known |= {"batches": [], "readings": (0, 0), "set": {}, "stages": []}
    known["bundle"] |= {"learned": {}, "timings": {}, "params": {}, "schema": {}}
    assert "candidate-0123456789ab" in told_of(known)


@pytest.mark.parametrize("unknown", [(), ("verdict", "evaluation")], ids=["judged", "not judged"])
@pytest.mark.parametrize("kind", METRICS)
def test_no_text_of_data_is_markup(kind, unknown):
    known = _poisoned(recorded(kind, feature=HOSTILE, group="g" + HOSTILE, values=("a", HOSTILE)))
    known |= dict.fromkeys(unknown)
    text, tags = read_page(card(known))
    _, harmless = read_page(card(recorded(kind) | dict.fromkeys(unknown)))
    assert "b" not in set(tags) - set(harmless)
    assert text.count(HOSTILE) > 10, "it is shown, as text"


def _poisoned(value):
    """Replace every text that data, people or errors could bring; figures stay."""
    kept = {"kind", "metric", "role", "is", "form", "significant", "created_at", "content_hash"}
    if isinstance(value, dict):
        if "fit" in value:
            return {HOSTILE: 0.25}
        return {k: v if k in kept else _poisoned(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_poisoned(each) for each in value)
    return HOSTILE if isinstance(value, str) and value != "default" else value


def test_what_is_no_number_is_told_as_such():
    known = recorded("binary")
    known["verdict"] |= {"test": float("nan"), "test_interval": [None, float("inf")]}
    known["evaluation"]["curves"]["calibration"].append(
        {"told": float("nan"), "true": 0.5, "rows": 1}
    )
    known["evaluation"]["importance"]["features"].append({"feature": "z", "worth": float("nan")})
    known["verdict"]["slices"].append(
        known["verdict"]["slices"][0] | {"figure": None, "interval": [None, None], "p": None}
    )
    page = card(known)
    text, _ = read_page(page)
    assert "is not defined (95 % interval – to inf" in text
    assert "nan" not in page


def test_members_of_a_blend_are_told():
    known = recorded("binary")
    members = [
        {"trial": 1, "algorithm": "lightgbm", "weight": 0.75, "params": {"num_leaves": 31}},
        {"trial": 2, "algorithm": "logistic", "weight": 0.25, "params": {}},
    ]
    known["bundle"] |= {"algorithm": "blend", "params": {"members": members}}
    text = told_of(known)
    assert "lightgbm 75.0% 1 num_leaves = 31" in text
    assert "logistic 25.0% 2" in text


def test_what_is_long_is_cut_and_counted():
    known = recorded("multiclass")
    many = [f"f{n}" for n in range(400)]
    known["bundle"]["schema"] = dict.fromkeys(many, "Float64")
    known["evaluation"]["importance"]["features"] = [{"feature": n, "worth": 1.0} for n in many]
    known["batches"] *= 1000
    classes = CLASSES + 30
    known["evaluation"]["curves"]["classes"] = [f"class {n}" for n in range(classes)]
    known["evaluation"]["curves"]["confusion"] = np.diag(range(classes)).tolist()
    text, tags = read_page(card(known))
    assert f"And {1000 - BATCHES} earlier ones." in text
    assert f"{400 - LISTED} more, each of less worth" in text
    assert "f399" in text
    assert f"The {CLASSES} most frequent of {classes} classes." in text
    assert "class 29 " not in text
    assert "class 30 " in text
    assert tags.count("tr") < 150


def test_a_refusal_is_told():
    known = recorded("regression")
    known["verdict"]["servable"] = {"refused": "a clean process did not predict within 300 seconds"}
    assert "It cannot be served: a clean process did not predict" in told_of(known)


def test_a_choice_by_log_loss_is_told():
    told = told_of(recorded("multiclass"))
    assert (
        "9 candidates are within one standard error (0.0312) of the best accuracy on validation, "
        "0.8438; of these the one with the least log loss (0.0625) was chosen." in told
    )
    assert "candidate-other lightgbm 0.7812 0.0938 2.5" in told
    assert "log loss" not in told_of(recorded("binary"))
    earlier = recorded("multiclass")
    del earlier["verdict"]["chosen_by_loss"]
    assert "one standard error" not in told_of(earlier)
