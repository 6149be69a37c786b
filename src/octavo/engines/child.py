"""The other end of `octavo.engines.apart`: ``python -m octavo.engines.child FD PARENT MEMORY``.

Not for import. It takes (function, argument) pairs from an inherited pipe, calls, and answers.
"""

import contextlib
import os
import pickle
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection


def main() -> None:
    """Answer until the parent hangs up."""
    descriptor, parent, memory = (int(text) for text in sys.argv[1:4])
    _die_first_of_memory(memory)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    channel = Connection(descriptor)
    sys.path[:] = channel.recv()
    with contextlib.suppress(EOFError):
        while True:
            channel.send_bytes(_answered(channel.recv_bytes()))


def _answered(message: bytes) -> bytes:
    try:
        function, argument = pickle.loads(message)
        return pickle.dumps((True, function(argument)))
    except BaseException:  # noqa: BLE001  even SystemExit of what is called here is its failure
        return pickle.dumps((False, traceback.format_exc()))


def _die_with(parent: int) -> None:
    """End when the parent has ended, however that came about: nobody waits for the answer."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _die_first_of_memory(most: int) -> None:
    """See to it that this process, and no other, pays for taking all memory."""
    with contextlib.suppress(OSError, ValueError, ImportError):
        import resource

        if most:
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


if __name__ == "__main__":
    main()
