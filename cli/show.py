"""`s2s-zoo show`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import click

from . import options

MARK, PLAIN = "* ", "  "


@click.command("show")
@click.argument("preset")
@options.settings
@options.as_json
def command(preset: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Print every number of PRESET by the path that --set takes."""
    options.start_backend(None)
    from s2s_zoo.registry import PRESETS
    from s2s_zoo.settings import parse_setting

    found = PRESETS.get(preset)
    varied = PRESETS.get(found.varies) if (found.varies or "") in PRESETS else None
    if settings:
        varied, found = found, found.with_settings(dict(map(parse_setting, settings)))
        found = replace(found, parameters=found.count_parameters())
    if as_json:
        varies = varied.name if varied else None
        rest = {"varies": varies, "demo": dict(found.demo)}
        options.print_json({"name": found.name, **found.settings(), **rest})
        return
    for lines in (_heading(found, varied), _body(found, varied), _demo(found)):
        for line in lines:
            click.echo(line)


def _heading(preset: Any, varied: Any) -> Iterator[str]:
    yield f"# {preset.name}: {preset.summary}"
    yield f"# {preset.task.name}, {preset.parameters:,} parameters, {preset.paper}"
    yield f"# {preset.expect}"
    if varied:
        yield f"# {MARK}marks what differs from {varied.name}"


def _body(preset: Any, varied: Any) -> Iterator[str]:
    """The settings node by node, each below what is set there."""
    from s2s_zoo.settings import shown_setting

    settings, kinds = preset.settings(), preset.kinds()
    known = settings | kinds
    if varied:
        known = varied.settings() | varied.kinds()
    for node, paths in _nodes(settings).items():
        yield ""
        if node in kinds:
            yield f"{_mark(known, node, kinds[node])}# {node}: {kinds[node]}"
            yield from _table(preset, node, settings)
        for path in paths:
            value = settings[path]
            yield f"{_mark(known, path, value)}{path}: {shown_setting(value)}"


def _table(preset: Any, node: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """The columns of a part side by side, with the place that --set takes."""
    names = getattr(getattr(preset.parts().get(node), "func", None), "TABLE", ())
    columns = {n: column for n in names if (column := settings[f"{node}.{n}"])}
    if not columns:
        return
    cells = [("", *columns)]
    for place, row in enumerate(zip(*columns.values(), strict=True)):
        cells.append((str(place), *map(str, row)))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{PLAIN}#   {'  '.join(aligned)}"


def _nodes(settings: Iterable[str]) -> dict[str, list[str]]:
    """Paths by what holds them: a part's own first, then those of what is in it."""
    nodes: dict[str, list[str]] = {}
    for path in settings:
        nodes.setdefault(path.rpartition(".")[0] or path, []).append(path)
    parts = list(dict.fromkeys(node.partition(".")[0] for node in nodes))
    order = {n: (parts.index(n.partition(".")[0]), n.count(".")) for n in nodes}
    return {node: nodes[node] for node in sorted(nodes, key=order.__getitem__)}


def _mark(known: Mapping[str, Any], path: str, value: Any) -> str:
    return PLAIN if path in known and known[path] == value else MARK


def _demo(preset: Any) -> Iterator[str]:
    from s2s_zoo.settings import shown_setting

    yield ""
    yield f"{PLAIN}# on the demo corpus"
    for path, value in preset.demo.items():
        yield f"{PLAIN}#   {path}: {shown_setting(value)}"
