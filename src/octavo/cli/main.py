"""The ``octavo`` command: where errors become one clear paragraph and an exit code."""

import atexit
import gc
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import chain

import click

from octavo.cli.arguments import Group
from octavo.errors import ExitCode, OctavoError, ResourceError

MODULES = {
    "init": ("init",),
    "run": (
        "run", "explain", "status", "prep", "ingest", "train", "evaluate", "deploy", "monitor",
    ),
    "data": ("data", "leaks"),
    "look": ("batches", "candidates", "card", "export", "features"),
    "page": ("report",),
    "metrics": ("metrics",),
    "quality": ("quality",),
    "up": ("up",),
    "release": ("release",),
    "approval": ("approve", "decline"),
    "rollback": ("rollback",),
    "replay": ("replay",),
    "schedule": ("schedule",),
    "maintain": ("maintain",),
    "serve": ("score",),
    "keys": ("keys",),
    "settings": ("config",),
    "audit": ("audit",),
    "lineage": ("lineage",),
    "notifications": ("notifications",),
    "reproduce": ("reproduce",),
    "mirror": ("mirror",),
}  # fmt: skip
"""The modules of this package, each with its commands, in the order of the help."""


class _Commands(Mapping[str, click.Command]):
    """The commands of `MODULES`: one that is asked for waits for no other to be imported."""

    def __getitem__(self, name: str) -> click.Command:
        for module, names in MODULES.items():
            if name in names:
                found = import_module(f"octavo.cli.{module}").COMMANDS
                return next(command for command in found if command.name == name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(MODULES.values())

    def __len__(self) -> int:
        return sum(map(len, MODULES.values()))


app = Group(
    "octavo",
    commands=_Commands(),  # type: ignore[arg-type]  none is added
    help="From raw data to a monitored model in production, from one definition.",
    epilog="Every command takes --debug: with an error it shows where it arose.",
)


def main() -> None:
    """Run the command line; never a traceback unless ``--debug`` is given."""
    # All that is loaded goes with the process: to look through it for garbage takes long.
    atexit.register(gc.freeze)
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        with app.make_context("octavo", arguments) as context:
            code = app.invoke(context)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = ExitCode.USAGE
    except click.UsageError as error:
        code = _say(_misused(error), ExitCode.USAGE, debug)
    except OctavoError as error:
        code = _say(str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        code = _interrupted(debug)
    except SystemExit:
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAILED
    except OSError as error:
        code = _say(str(ResourceError.refused(error)), ExitCode.FAILED, debug)
    except BaseException as error:  # noqa: BLE001  the outermost boundary; panics of Polars too
        code = _unexpected(error, debug)
    sys.exit(int(code or 0))


def _misused(error: click.UsageError) -> str:
    """Say what is wrong with the command line, and which help has it right."""
    text = error.format_message()
    stop = "" if text.endswith((".", "?", "?)")) else "."
    path = error.ctx.command_path if error.ctx else "octavo"
    return f"{text}{stop} See `{path} --help`."


def _interrupted(debug: bool) -> int:
    text = "Interrupted. Nothing is half-done; the same command continues where it stopped."
    return _say(text, ExitCode.FAILED, debug)


def _unexpected(error: BaseException, debug: bool) -> int:
    what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    text = f"Octavo met something it did not expect: {what}. Run again with --debug to see where."
    return _say(text, ExitCode.FAILED, debug)


def _say(text: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print("octavo:", " ".join(text.split()), file=sys.stderr)  # one paragraph, whatever it quotes
    return code
