"""Which groups hold what is wanted."""

import pytest

from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.stores.groups import cover, new_group_id


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "catalog.db")


def begin(catalog, group_id, columns, *, name="card", at=1, replaced=None):
    about = {"cause": "first", "run_id": "run", "committed_at": at}
    catalog.insert(
        tables.feature_groups,
        group_id=group_id, name=name, columns=columns, cut_over=at, replaced=replaced, **about,
    )  # fmt: skip
    for position in (at, at + 1):
        prep(catalog, group_id, position)


def prep(catalog, group_id, position):
    counts = {"rows": 10 * position, "too_late": 0, "clock": position, "state": f"s{position}"}
    about = {"run_id": "run", "committed_at": position}
    catalog.insert(tables.feature_versions, group_id=group_id, position=position, **counts, **about)


def held(catalog, wanted):
    found, missing = cover(catalog, "card", wanted)
    return {group.group_id: dict(group.columns) for group in found}, missing


def test_each_column_is_in_the_newest_group_that_holds_it(catalog):
    begin(catalog, "old", {"a": "1", "b": "2"})
    begin(catalog, "new", {"b": "2", "c": "3"}, at=5)
    begin(catalog, "other", {"a": "1"}, name="shop", at=9)
    found, missing = held(catalog, {"a": "1", "b": "2", "c": "3", "d": "4"})
    assert found == {"old": {"a": "a"}, "new": {"b": "b", "c": "c"}}
    assert list(found) == ["old", "new"], "the oldest first"
    assert missing == {"d": "4"}


def test_a_column_is_found_by_its_meaning(catalog):
    begin(catalog, "old", {"a": "1", "b": "2"})
    assert held(catalog, {"b": "1", "c": "1", "a": "9"}) == (
        {"old": {"b": "a", "c": "a"}},
        {"a": "9"},
    )


def test_a_replaced_group_is_not_live(catalog):
    begin(catalog, "old", {"a": "1"}, replaced=5)
    assert held(catalog, {"a": "1"}) == ({}, {"a": "1"})


def test_a_group_comes_with_its_last_prep(catalog):
    begin(catalog, "old", {"a": "1"}, at=3)
    (group,), _ = cover(catalog, "card", {"a": "1"})
    assert {k: group.last[k] for k in ("position", "rows", "clock", "state", "cut_over")} == {
        "position": 4, "rows": 40, "clock": 4, "state": "s4", "cut_over": 3,
    }  # fmt: skip
    assert catalog.preps("old") == [[3, 3], [4, 4]]


def test_a_new_groups_id_is_the_same_until_it_counts(catalog):
    def name(**changes):
        given = {"name": "card", "columns": {"a": "1"}, "position": 4} | changes
        return new_group_id(catalog, **given)

    first = name()
    assert name() == first
    assert len({first, name(columns={"a": "2"}), name(position=5), name(name="shop")}) == 4
    begin(catalog, first, {"a": "1"})
    assert name() != first, "a rebuild at the same place is another group"
