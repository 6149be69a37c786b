"""What became of the parts that a stage depends on, in words."""

from octavo.definition import fingerprint
from octavo.stages.parts import Part, changes, named, replaced, stored, whole
from octavo.stages.prep.arrived import came, counted


def test_only_what_changed_is_told():
    before = stored({"seed": Part(7), "rule": Part([1, 2]), "old": Part(None)})
    assert changes(before, {"seed": Part(7), "rule": Part([1, 3]), "new": Part(1)}) == [
        "rule changed",
        "new is new",
        "old is gone",
    ]
    assert changes(before, {"seed": Part(7), "rule": Part([1, 2]), "old": Part(None)}) == []


def test_things_with_names_are_named():
    def features(**values):
        return {"features": Part(values, *named("feature", values))}

    before = stored(features(a=1, b=2, c=3, d=4, e=5))
    assert changes(before, features(a=1, b=2, c=3, d=4, e=6)) == ["feature e changed"]
    assert changes(before, features(a=1, b=2, c=3, d=4, x=1)) == [
        "feature x is new, feature e is gone"
    ]
    assert changes(before, features(a=0, b=0, c=0, d=0, e=0)) == [
        "features a, b, c and 2 more changed"
    ]
    assert changes(before, features(e=5, d=4, c=3, b=2, a=1)) == [], "their order means nothing"


def test_an_id_is_told_with_the_one_before():
    before = stored({"data version": replaced("data version", "data-1")})
    assert changes(before, {"data version": replaced("data version", "data-2")}) == [
        "data version data-1 became data-2"
    ]
    before = stored({"deployment": replaced("deployment", None)})
    assert changes(before, {"deployment": replaced("deployment", "d-1")}) == ["deployment is d-1"]


def test_one_fingerprint_of_all_is_that_of_the_list_it_once_was():
    assert whole({"a": Part([1]), "b": Part({"x": 2}, kept="little")}) == fingerprint(
        [[1], {"x": 2}]
    )


def test_batches_are_counted():
    def batches(**counts):
        rows = [(name, state) for name, states in counts.items() for state in states.split()]
        return counted([{"dataset": name, "state": state} for name, state in rows])

    before = batches(flights="committed committed", weather="committed")
    assert came(before, batches(flights=4 * "committed ", weather="withdrawn")) == (
        "2 new batches of flights, 1 batch of weather withdrawn"
    )
    assert came(before, before | batches(planes="committed")) == "1 new batch of planes"
    assert came(before, before) == ""
