"""What a batch score has on disk: some of it is never taken for all."""

import os

import polars as pl
import pytest

from octavo.services import scoring_job
from octavo.services.scoring_job import ANSWERS, RECORDS, REJECTED, Done, Part, opened

NOTHING = pl.DataFrame()
PARTS = [Part(0, 1, first, 10) for first in (0, 10)]


class Died(BaseException):
    """Stands for a kill: nothing of Octavo handles it."""


def score(job):
    """Score a file, in two parts."""
    for part in PARTS:
        answers = pl.DataFrame({"at": range(part.first, part.first + 10)})
        job.keep(part, {ANSWERS: answers, RECORDS: NOTHING, REJECTED: NOTHING})
    job.end(0, Done(PARTS, 20, 0))


@pytest.mark.parametrize("published", [True, False])
def test_killed_while_it_deletes_it_begins_anew(tmp_path, monkeypatch, published):
    output = tmp_path / "out.parquet"

    def half(folder, **_):
        next(folder.glob("*.parquet")).unlink()
        raise Died

    def killed():
        with opened(output, {"of": 1 if published else 2}) as job:
            assert published, "what another score did was to be deleted"
            job.publish(PARTS)

    with opened(output, {"of": 1}) as job:
        score(job)
    with monkeypatch.context() as patch:
        patch.setattr(scoring_job.shutil, "rmtree", half)
        with pytest.raises(Died):
            killed()
    with opened(output, {"of": 1}) as job:
        assert job.done(0) is None
        assert not any(map(job.has, PARTS))
        score(job)
        job.publish(PARTS)
    assert pl.read_parquet(output)["at"].to_list() == [*range(20)]
    assert os.listdir(tmp_path) == ["out.parquet"]
