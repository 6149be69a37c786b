"""Eight kinds of leak are caught in real tables, and none is seen where there is none."""

import pytest
from leaky import BUNDLED, CASES, LEAKS, bundled

from octavo.stages.segregation.leaks import KINDS, find_leaks


def test_every_kind_has_a_case():
    assert set(LEAKS) == set(KINDS)
    assert len(KINDS) == 8


@pytest.mark.parametrize("name", [*BUNDLED, "linnerud"])
def test_nothing_is_raised_on_clean_data(name):
    assert [str(leak) for leak in find_leaks(bundled(name).examined)] == []


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize(("kind", "inject"), CASES)
def test_what_is_put_in_is_found_and_nothing_else(name, kind, inject):
    dirty = inject(bundled(name))
    found = find_leaks(dirty.examined)
    assert [leak.kind for leak in found] == [kind], [str(leak) for leak in found]
    assert found[0].columns in ((), ("leak",), ("who",))
