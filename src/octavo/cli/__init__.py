"""The ``octavo`` command, one file per group of commands."""
