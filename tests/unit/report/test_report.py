"""A report tells what is known, whatever data say; what has not happened names its command."""

import pytest
from made import AT, HOUR, made
from tests.standing import read_page

from octavo.project import load
from octavo.report import report
from octavo.report.frame import COMMANDS, duration
from octavo.report.monitoring import LISTED
from octavo.runner import STAGES
from octavo.services.overview import overview

HOSTILE = """</title></style><script>alert("1")</script><b onclick='x'>&amp; a"b'c"""


def told_of(**given):
    return read_page(report(made(**given), AT))[0]


def test_every_section_tells_what_is_known():
    text, tags = read_page(report(made(), AT))
    for said in (
        "w 5 500 15 10 60.0 min ago",  # a dataset: batches that count, their rows
        "Nothing came of missing.",
        "1 batch withdrawn, the last: w w.",
        "w w 3 The rows themselves: octavo batches --rejected",
        "w 0 9 4 0.5 s",  # a stream
        "w all w w What corrects them: octavo prep --rebuild",
        "w: 1 fault, 0 notes.",
        "w 75 75.0% 70 25.00%",
        "The search validated on 2 folds.",
        "w 3 0.5000 0 1 4.5 s",  # an algorithm's trials
        "2 w w",  # the failed one
        "Answered. candidate-w (w) has w 0.7500 on test (95 % interval 0.5000 to 0.8750)",
        "It is not promoted: w.",
        "deployment-2 candidate-w w 2026-09-21 14:13 now",
        "w 0.5000 +12.5% drifted calm 0 –",
        "Not compared, for they are not computed any more: w.",
    ):
        assert said in text, said
    assert tags.count("figure") == 1 + 2 + 2, "columns; search and time; drift and performance"


@pytest.mark.parametrize("figures", [0, 1, 2])
def test_pictures_need_two_points(figures):
    known = made()
    known["watched"] = known["watched"][:figures]
    known["study"]["trials"] = known["study"]["trials"][:figures]
    known["batches"] = known["batches"][:figures]
    _, tags = read_page(report(known, AT))
    assert tags.count("figure") == (4 if figures == 2 else 0)


def test_whatever_data_say_the_page_stands_alone():
    text, _ = read_page(report(made(HOSTILE), AT))
    assert text.count("<script>") > 40, "escaped, it is read as text"


def test_the_same_is_drawn_alike():
    assert report(made(), AT) == report(made(), AT)
    assert report(made(), AT) != report(made(), AT + 2 * HOUR), "ages"


def test_a_stage_that_failed_says_why_and_what_tries_again():
    known = made(error="the disk is full.\nFree some space.")
    known["failures"] = {"training": "the disk is full.", "prep": "a file is gone."}
    known["stages"][2] |= {"state": "failed"}
    known["stages"][4] |= {"state": "failed"}
    known["stages"][5] |= {"state": "waiting", "seconds": None}
    known["stages"][6] |= {"state": "running", "seconds": None}
    text, _ = read_page(report(known, AT))
    assert "the disk is full. Free some space. What tries again: octavo train" in text
    assert "a file is gone. What tries again: octavo prep" in text, "its own, not the last run's"
    assert "It has not run yet. What runs it: octavo evaluate" in text
    assert "It runs now, or was killed; what goes on with it: octavo deploy" in text


def test_why_a_stage_failed_is_what_was_recorded_of_it_last(make_project, tmp_path):
    project = load(make_project(tmp_path / "shop", orders=20))
    for stage, error in (("prep", "first."), ("prep", "then."), ("training", "other.")):
        project.catalog.emit("run failed", stage, severity="error", error=error)
    known = overview(project.definition, project.home, project.catalog, AT)
    assert known["failures"] == {"prep": "then.", "training": "other."}


def test_where_nothing_ran_each_stage_names_its_command(make_project, tmp_path):
    project = load(make_project(tmp_path / "shop", orders=20))
    known = project.status() | overview(project.definition, project.home, project.catalog, AT)
    text, tags = read_page(report(known, AT))
    assert "Not answered yet" in text
    assert all(f"What runs it: {command}" in text for command in COMMANDS.values())
    assert "figure" not in tags
    assert "Nothing has happened yet." in text


def test_a_candidate_leads_to_its_card_where_that_is():
    card = "candidates/candidate-w/model_card.html"
    read_page(report(made(), AT, {"candidate-w": card}), [card])


def test_no_more_features_are_listed_than_can_be_read():
    known = made()
    look = known["watched"][-1]["outputs"]
    look["drift"] = {f"f{n}": {"psi": n / 100, "nulls": 0.0} for n in range(LISTED + 3)}
    text, _ = read_page(report(known, AT))
    assert "And 3 features that drifted less." in text
    assert "f17" in text
    assert "f2 " not in text


def test_stages_are_those_that_run():
    assert list(COMMANDS) == list(STAGES)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0.0 s"), (119.9, "119.9 s"), (120, "2.0 min"), (7200, "2.0 h"), (172_800, "2.0 d")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said
