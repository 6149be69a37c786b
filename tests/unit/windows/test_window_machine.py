import numba as nb
import numpy as np
import pytest

from octavo.windows import machine

MOST = 2**64 - 1


@nb.njit
def fused(a, b, c, d):
    return machine.multiply_add(a, b, c, d)


@nb.njit
def zeros(number):
    return machine.leading_zeros(number)


@nb.njit
def prefetched(array):
    for row in range(array.shape[0]):
        machine.prefetch(array, row)


@pytest.mark.parametrize(
    "numbers", [(0, 0, 0, 0), (MOST, MOST, MOST, MOST), (2**63, 2, 1, MOST), (3, 5, 7, 11)]
)
def test_a_product_and_two_sums_fit_two_words(numbers):
    a, b, c, d = numbers
    low, high = fused(*(np.uint64(each) for each in numbers))
    assert high * 2**64 + low == a * b + c + d


@pytest.mark.parametrize("number", [1, 2, 3, 2**31, 2**32 - 1, 2**63, MOST])
def test_leading_zeros(number):
    assert zeros(np.uint64(number)) == 64 - number.bit_length()


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 18])
def test_prefetching_changes_nothing(columns):
    array = np.arange(3.0 * columns).reshape(3, columns)
    prefetched(array)
    assert (array == np.arange(3.0 * columns).reshape(3, columns)).all()
