"""The command line: one file per verb, loaded when the verb is used."""

import errno
import importlib
import sys
from typing import Any

import click

VERBS = {
    "list": "The menu of presets.",
    "show": "Every number of a preset.",
    "train": "Train a preset.",
    "evaluate": "Measure a trained model on a split.",
    "compare": "Test whether two trained models differ.",
    "infer": "Run a trained model on files.",
    "export": "Export a trained model and compare it with the original.",
    "benchmark": "Time training steps on this machine, by precision.",
    "data": "List, fetch and check corpora.",
    "lm": "Build n-gram language models, and measure them.",
}
FAILED, INTERRUPTED = 1, 75
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Verbs(click.Group):
    """Imports a verb only to run it, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f".{cmd_name}", __name__)
        command: click.Command = module.command
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="s2s-zoo")
def zoo() -> None:
    """Train, evaluate, run and export sequence-to-sequence models.

    `s2s-zoo train deepspeech2-small` trains a speech recognizer on speech made on
    this machine; `s2s-zoo VERB --help` says the rest.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake ends in one line and exit code 1."""
    from s2s_zoo.errors import UserError

    try:
        result: Any = zoo.main(arguments, prog_name="s2s-zoo", standalone_mode=False)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped at once; what was saved before is untouched.", err=True)
        sys.exit(FAILED)
    except BrokenPipeError:
        sys.exit(FAILED)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        click.echo(f"Error: {error.filename or 'A file'}: {error.strerror}", err=True)
        sys.exit(FAILED)
    sys.exit(result if isinstance(result, int) else 0)
