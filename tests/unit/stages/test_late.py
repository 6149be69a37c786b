"""What came too late since the last time is counted by view."""

from octavo.stages.prep.groups import Work
from octavo.stages.prep.late import newly_late


def work(name, told):
    return Work(name, "g", {}, {}, None if told is None else {"too_late": told})


def test_new_ones_are_counted_by_view_over_its_groups():
    found = [(work("a", 5), 7), (work("a", 0), 1), (work("b", 3), 3), (work("c", None), 9)]
    assert newly_late(found) == {"a": 3}
