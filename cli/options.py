"""Options several verbs share, and what they do before a verb starts."""

import contextlib
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

BACKENDS = ("tensorflow", "jax", "torch")

backend = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="Keras backend; by default $KERAS_BACKEND, else the first installed.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
)
search = click.option(
    "--search", default="", metavar="KEY=VALUE,…", help="Search, such as beam=8."
)
compiled = click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile searches by XLA or torch.compile: for many batches. JAX always does.",
)
run = click.argument("run", required=False, type=click.Path(file_okay=False))
audio_root = click.option(
    "--audio-root",
    multiple=True,
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Another tree that a manifest may name files in; repeatable.",
)
split = click.option(
    "--split", help="What to measure on; by default test, or else validation."
)
settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a number of the preset, such as recipe.epochs=3; repeatable.",
)


def start_backend(name: str | None) -> str:
    """Choose the Keras backend and import it without its start-up chatter.

    Raises:
        UserError: the backend is not installed.
    """
    from s2s_zoo.errors import UserError

    chosen = name or os.environ.get("KERAS_BACKEND") or _first_installed()
    if chosen is None or importlib.util.find_spec(chosen) is None:
        wanted = chosen or "no Keras backend"
        raise UserError(
            f"{wanted} is not installed. Install one of tensorflow, jax and torch: "
            "pip install 's2s-zoo[jax]', say"
        )
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _quiet_stderr():
        importlib.import_module("keras").ops.zeros(())  # finds the devices
    return chosen


def print_json(value: dict[str, Any] | list[Any]) -> None:
    """Print the one JSON object of a verb."""
    click.echo(json.dumps(value, default=str))


def compose(*options: Callable[..., Any]) -> Callable[..., Any]:
    """One decorator of several options."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _first_installed() -> str | None:
    installed = (b for b in BACKENDS if importlib.util.find_spec(b) is not None)
    return next(installed, None)


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep what C++ libraries write while they load off the screen."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
