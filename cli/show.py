"""`s2s-zoo show`."""

import click

from . import options


@click.command("show")
@click.argument("preset")
@options.as_json
def command(preset: str, as_json: bool) -> None:
    """Print every number of PRESET by the path that --set takes."""
    options.start_backend(None)
    from s2s_zoo.catalog import shown_setting
    from s2s_zoo.registry import PRESETS

    found = PRESETS.get(preset)
    settings = found.settings()
    if as_json:
        options.print_json({"name": found.name, **settings, "demo": dict(found.demo)})
        return
    click.echo(f"# {found.name}: {found.summary}\n# {found.paper}")
    for path, value in settings.items():
        click.echo(f"{path}: {shown_setting(value)}")
    click.echo("# on the demo corpus")
    for path, value in found.demo.items():
        click.echo(f"#   {path}: {shown_setting(value)}")
