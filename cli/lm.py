"""`s2s-zoo lm`."""

from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from s2s_zoo.workflows.language_models import Measurement, Texts

UNITS = click.Choice(["words", "characters"])
FILE = click.Path(dir_okay=False)

texts = options.compose(
    click.argument("text", nargs=-1, type=FILE),
    click.option("--corpus", help="Corpus by name or path, whose references are text."),
    click.option("--split", default="train", show_default=True, help="Of the corpus."),
    click.option("--preset", help="Reads the corpus; by default one for its kind."),
    options.settings,
)


@click.group("lm")
def command() -> None:
    """Build n-gram language models, and measure them."""


def _thresholds(_: click.Context, __: click.Parameter, value: str) -> tuple[int, ...]:
    fields = value.replace(",", " ").split()
    if not all(field.isdecimal() for field in fields):
        raise click.BadParameter(f"want whole numbers, such as '0 1 1', not {value!r}")
    return tuple(map(int, fields))


@command.command("build")
@texts
@click.option("--order", default=3, show_default=True, help="Of the longest n-grams.")
@click.option(
    "--prune",
    default="",
    callback=_thresholds,
    metavar="'0 1 1'",
    help="By order, n-grams that occur so often or less are left out.",
)
@click.option("--units", type=UNITS, default="words", show_default=True)
@click.option(
    "--output",
    type=FILE,
    default="lm.arpa.gz",
    show_default=True,
    help="ARPA file, compressed if it ends in .gz.",
)
@options.as_json
def build(
    order: int,
    prune: tuple[int, ...],
    units: str,
    output: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Estimate a model from TEXT by interpolated modified Kneser-Ney smoothing.

    TEXT has one sentence a line, plain or compressed by gzip. Among characters, a space
    is written as ▁ (U+2581).
    """
    chosen = _texts(**given)
    from s2s_zoo.workflows.language_models import build_language_model

    from .console import counting

    with counting("reading") as progress:
        found = build_language_model(
            texts=chosen,
            output=output,
            order=order,
            prune=prune,
            unit=units,
            progress=progress,
        ).summary()
    if as_json:
        options.print_json(found)
        return
    sizes = " + ".join(f"{count:,}" for count in found["ngrams"])
    click.echo(f"{found['lines']:,} lines, {found['units']:,} {found['unit']}")
    click.echo(f"{sizes} n-grams in {found['path']}")
    if found["fallbacks"]:
        orders = ", ".join(map(str, found["fallbacks"]))
        click.echo(
            f"Too little or artificial text: fixed discounts for order {orders}."
        )


@command.command("score")
@click.argument("model", metavar="LM", type=FILE)
@texts
@click.option("--units", type=UNITS, help="By default what LM seems to be of.")
@options.as_json
def score(model: str, units: str | None, as_json: bool, **given: Any) -> None:
    """Measure the perplexity of LM on TEXT.

    LM is an ARPA file, plain or compressed by gzip, or a binary of KenLM's build_binary
    (type probing). The end of each line is predicted too.
    """
    chosen = _texts(**given)
    from s2s_zoo.workflows.language_models import score_language_model

    from .console import counting

    with counting("scoring") as progress:
        found = score_language_model(
            model=model, texts=chosen, unit=units, progress=progress
        )
    if as_json:
        options.print_json(found.summary())
    else:
        _tell(found)


def _texts(
    text: tuple[str, ...],
    corpus: str | None,
    split: str,
    preset: str | None,
    settings: tuple[str, ...],
) -> "Texts":
    options.start_backend(None)
    from s2s_zoo.settings import parse_setting
    from s2s_zoo.workflows.language_models import Texts

    return Texts(text, corpus, split, preset, dict(map(parse_setting, settings)))


def _tell(found: "Measurement") -> None:
    shown = found.perplexity
    click.echo(
        f"{shown.lines:,} lines, {shown.units:,} {found.unit} and ends of lines, "
        f"{shown.unknown:,} unknown"
    )
    click.echo(f"perplexity {shown.including_unknown:.2f}")
    if shown.unknown:
        click.echo(f"perplexity without unknown {shown.excluding_unknown:.2f}")
