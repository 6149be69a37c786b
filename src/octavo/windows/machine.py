"""Instructions of the processor for which numba has no name.

This module knows nothing of what they are used for.
"""

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from octavo.windows.compiling import inlined

intrinsic: Any = extending.intrinsic  # whose annotations tell of the compiler's argument

LINE = 8
"""Numbers of 8 bytes in a line of the cache."""


@intrinsic
def _prefetch(_, array, row, column):
    """Tell the cache that a place of a two-dimensional array will be written soon."""

    def code(context, builder, signature, arguments):
        held = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        place = cgutils.get_item_pointer(
            context, builder, signature.args[0], held, arguments[1:], wraparound=False
        )
        integer = ir.IntType(32)
        address = builder.bitcast(place, cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [address.type, integer, integer, integer])
        call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_write, keep, data = integer(1), integer(3), integer(1)
        builder.call(call, [address, to_write, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), code


@inlined
def prefetch(array, row) -> Any:
    """Tell the cache that a row of a two-dimensional array of numbers will be written soon.

    Rows far from each other are each a wait for memory; told early, the waits overlap.
    """
    last = array.shape[1] - 1
    for column in range(0, last, LINE):
        _prefetch(array, row, column)
    _prefetch(array, row, last)


@intrinsic
def multiply_add(_, a, b, c, d):
    """Low and high word of ``a * b + c + d``, which never needs more; all are uint64."""
    word = types.uint64

    def code(context, builder, signature, arguments):
        double = ir.IntType(128)
        a, b, c, d = (builder.zext(each, double) for each in arguments)
        both = builder.add(builder.add(builder.mul(a, b), c), d)
        high = builder.lshr(both, double(64))
        parts = [builder.trunc(each, ir.IntType(64)) for each in (both, high)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(word, 2)(word, word, word, word), code


@intrinsic
def leading_zeros(_, number):
    """Zeros above the highest bit set in a uint64, which must not be 0."""

    def code(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), code
