"""What a user's own algorithm is, and proposes, as a search sees it."""

from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest

from octavo.stages.training.algorithms import Ridge
from octavo.stages.training.offline import _source
from octavo.stages.training.search import Search

OWN = """
from dataclasses import dataclass

@dataclass
class Own:
    name: str = "own"

    def fit(self, X, y, params, task):
        return {layers}
"""


def own(folder, layers):
    path = folder / f"own_{layers}.py"
    path.write_text(OWN.format(layers=layers))
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Own()


def test_another_fit_of_a_dataclass_is_another_algorithm(tmp_path):
    first, second = (_source(own(tmp_path, layers)) for layers in (1, 2))
    assert first != second
    assert first == _source(own(tmp_path, 1))


@dataclass
class Odd(Ridge):
    given: object

    def defaults(self):
        return self.given


@pytest.mark.parametrize("given", [{"layers": np.array([8, 8])}, None])
def test_what_cannot_be_recorded_is_a_failed_trial(given):
    search = Search([Odd(given)], seed=3, more_is_better=True, at_once=1, warm={})
    proposal = search.propose(0, [], [])
    assert proposal.params == {}
    assert "Error: " in proposal.error


def test_numbers_of_numpy_are_recorded():
    search = Search([Odd({"alpha": np.float64(0.5)})], 3, more_is_better=True, at_once=1, warm={})
    assert [type(value) for value in search.propose(0, [], []).params.values()] == [float]
