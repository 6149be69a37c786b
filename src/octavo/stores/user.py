"""Who runs this process: the one that acts where nobody else is named."""

import getpass
import os


def user() -> str:
    """Return the user's name; without one, the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
