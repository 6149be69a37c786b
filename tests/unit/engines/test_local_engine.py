import threading
import time
from itertools import count

import pytest

from octavo.engines import LocalEngine
from octavo.errors import DefinitionError


def test_results_come_in_the_order_of_partitions():
    def slow_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number

    assert list(LocalEngine(workers=4).map(slow_first, range(20))) == list(range(20))


def test_nothing_runs_before_the_first_result_is_asked_for():
    begun = []
    results = LocalEngine(workers=2).map(begun.append, [1])
    assert begun == []
    list(results)
    assert begun == [1]


def test_partitions_are_taken_little_further_than_results():
    taken = []

    def partitions():
        for number in count():
            taken.append(number)
            yield number

    results = LocalEngine(workers=2).map(str, partitions())
    assert [next(results) for _ in range(3)] == ["0", "1", "2"]
    assert len(taken) <= 3 + 2 * 2
    results.close()


def test_the_first_error_ends_the_rest():
    begun = []

    def fail_at_three(number):
        begun.append(number)
        if number == 3:
            raise KeyError("third")
        return number

    results = LocalEngine(workers=1).map(fail_at_three, range(1000))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="third"):
        next(results)
    assert len(begun) < 10


def test_an_error_of_the_partitions_comes_through():
    def broken():
        yield 1
        raise OSError("source")

    with pytest.raises(OSError, match="source"):
        list(LocalEngine(workers=2).map(str, broken()))


def test_a_function_may_map_again():
    engine = LocalEngine(workers=1)
    assert list(engine.map(lambda n: sum(engine.map(abs, range(n))), range(5))) == [0, 0, 1, 3, 6]


def test_no_thread_is_left_behind():
    before = threading.active_count()
    results = LocalEngine(workers=3).map(str, range(100))
    next(results)
    results.close()
    assert threading.active_count() == before


def test_workers_are_at_least_one():
    with pytest.raises(DefinitionError, match="0 workers"):
        LocalEngine(workers=0)
    assert LocalEngine().workers >= 1
