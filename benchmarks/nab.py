"""Claim: unlabeled series are scored well above the windowed Gaussian of NAB, from the defaults.

The Numenta Anomaly Benchmark by its own rules, all 58 series through ingestion, prep, training on
their probations alone, and deployment; needs the data sets beside the repository (see
``tests/nab/protocol.py``). ``python benchmarks/nab.py [--json]``: half a minute.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from harness import Claim

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.nab import protocol  # noqa: E402
from tests.nab.series import SCORED_FROM, prepare, scored, test_begins  # noqa: E402

from octavo.project import load  # noqa: E402

AIM = 55.0
PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not protocol.FOLDER.exists():
        print(f"skipped: {protocol.FOLDER} is not there; set OCTAVO_SHARED")
        return
    readings = protocol.series()
    with tempfile.TemporaryDirectory() as home:
        folder = prepare(Path(home) / "nab", readings)
        scores = scored(folder)
        budget = load(folder).definition.problem.budget
        if test_begins(folder) > SCORED_FROM:
            sys.exit("rows that are scored were learned from: give train a smaller share")
    result = readings.with_columns(scores["score"])
    for profile in PROFILES:
        found = protocol.rated(result, profile)
        print(
            f"{profile}: {found.score:.2f}; {found.found} of {found.windows} windows, "
            f"{found.false} false alarms at {found.threshold:.5f}"
        )
    asked = protocol.rated(result, threshold=1 - budget)
    print(
        f"standard, at the declared budget of {budget:.1%} instead of the best threshold: "
        f"{asked.score:.2f}; {asked.found} windows, {asked.false} false alarms"
    )
    print(f"published, standard: {protocol.PUBLISHED}")
    peer = 100 - protocol.PUBLISHED["windowed Gaussian"]
    Claim(
        "NAB, standard profile: points that are missing from 100, beside the windowed Gaussian",
        100 - protocol.rated(result).score,
        peer,
        goal=round(peer / (100 - AIM), 2),
        unit="points",
    ).show(as_json=options.json)


if __name__ == "__main__":
    main()
