"""A clock that tests set."""


class ManualClock:
    """Stands still until it is told to move on.

    Parameters
    ----------
    now
        Seconds it begins at.
    """

    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def advance(self, seconds: float) -> None:
        """Move on, or back."""
        self.now += seconds

    def nanoseconds(self) -> int:
        """Return its time in nanoseconds, as a monotonic clock does."""
        return int(self.now * 1e9)

    def microseconds(self) -> int:
        """Return its time in microseconds, as the wall clock does."""
        return int(self.now * 1e6)
