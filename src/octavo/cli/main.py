"""The ``octavo`` command: where errors become one clear paragraph and an exit code."""

import os
import sys
import traceback

import typer

from octavo.cli import look, run, serve, settings
from octavo.errors import ExitCode, OctavoError

app = typer.Typer(
    name="octavo",
    help="From raw data to a monitored model in production, from one definition.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
run.register(app)
look.register(app)
settings.register(app)
serve.register(app)

_TYPER_INTERRUPTED = 130  # what Typer makes of Ctrl-C; no command of ours gives it


def main() -> None:
    """Run the command line; never a traceback unless ``--debug`` is given."""
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        code = app(args=arguments, standalone_mode=False)
        if code == _TYPER_INTERRUPTED:
            code = _interrupted(debug)
    except typer.Exit as leaving:
        code = leaving.exit_code
    except OctavoError as error:
        code = _say(str(error), error.exit_code, debug)
    except (KeyboardInterrupt, typer.Abort):
        code = _interrupted(debug)
    except SystemExit:
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAILED
    except OSError as error:
        fix = "Check the path, its permissions and the space on the disk."
        code = _say(f"the machine refused: {error}. {fix}", ExitCode.FAILED, debug)
    except BaseException as error:  # noqa: BLE001  the outermost boundary; panics of Polars too
        code = _unexpected(error, debug)
    sys.exit(int(code or 0))


def _interrupted(debug: bool) -> int:
    text = "Interrupted. Nothing is half-done; the same command continues where it stopped."
    return _say(text, ExitCode.FAILED, debug)


def _unexpected(error: BaseException, debug: bool) -> int:
    if hasattr(error, "format_message"):  # the command line itself was wrong
        return _say(f"{error.format_message()} See `octavo --help`.", ExitCode.USAGE, debug)  # type: ignore[attr-defined]
    what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    text = f"Octavo met something it did not expect: {what}. Run again with --debug to see where."
    return _say(text, ExitCode.FAILED, debug)


def _say(text: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print("octavo:", " ".join(text.split()), file=sys.stderr)  # one paragraph, whatever it quotes
    return code
