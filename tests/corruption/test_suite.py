"""The suite itself can fail; what is clean is left alone; the page says what a run says."""

import re
from dataclasses import replace

import pytest

from .clean import SETS, customers, sensors
from .damage import DAMAGE
from .suite import BEGIN, END, PAGE, damaged, everything, kept, look, run, table, undamaged

QUICK = ("decimal comma", "stray blanks", "−999", "row repeated", "not UTF-8", "day first")


@pytest.mark.parametrize("make", SETS[:2], ids=lambda make: make.__name__)
def test_nothing_is_called_a_fault_in_the_invented_sets(make):
    assert [each.sentence for each in undamaged(make()).findings if each.weight == "fault"] == []


@pytest.mark.parametrize("damage", [d for d in DAMAGE if d.name in QUICK], ids=lambda d: d.name)
def test_damage_is_found_and_every_row_kept(damage):
    clean = sensors()
    result = run(clean, damage, 0.005, undamaged(clean).findings)
    assert result is not None
    assert (result.found, result.false, result.kept) == (1, 0, True)


def test_there_are_forty_kinds_and_each_changes_rows():
    assert len({damage.name for damage in DAMAGE}) == len(DAMAGE) >= 40
    for damage in DAMAGE:
        files = [
            damaged(make(), damage, 0.005, 1)
            for make in SETS
            if set(damage.roles) <= make().roles.keys()
        ]
        assert any(file.at.size >= 3 for file in files), damage.name


def test_a_lost_row_and_a_changed_value_are_noticed(tmp_path):
    clean = customers()
    damage = next(d for d in DAMAGE if d.name == "row cut short")
    file = damaged(clean, damage, 0.005, 1)
    seen = look(file.data, tmp_path)
    assert kept(file, seen, clean.names)
    assert not kept(file, replace(seen, raw=seen.raw.slice(1)), clean.names)
    assert not kept(file, replace(seen, rejected=seen.rejected.slice(1)), clean.names)
    other = seen.raw.with_columns(height=seen.raw["height"] + 0.1)
    assert not kept(file, replace(seen, raw=other), clean.names)
    text = seen.rejected.with_columns(text=seen.rejected["text"] + " ")
    assert not kept(file, replace(seen, rejected=text), clean.names)


@pytest.mark.slow
def test_the_page_says_what_a_run_says():
    results = everything()
    written = re.search(re.escape(BEGIN) + "\n(.*)\n" + END, PAGE.read_text(), re.DOTALL)
    assert written is not None
    assert written[1] == table(results)
    assert all(result.kept for result in results)
