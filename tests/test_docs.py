"""What the pages of documentation say is so."""

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest
from s2s_zoo.cli import zoo

from s2s_zoo.registry import PRESETS
from s2s_zoo.settings import parse_setting
from s2s_zoo.tasks import SpeechToText, TextToText
from tests.test_public_names import PACKAGES

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / "docs" / "python.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TASKS = [page for page in PAGES if "\n## Presets\n" in page.read_text("utf-8")]
PLACEHOLDER = re.compile(r"…|\b[A-Z]{3,}\b")


every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)


def commands(text):
    """Arguments of s2s-zoo in blocks and between backticks, placeholders aside."""
    joined = re.sub(r" *\\\n *", " ", text)
    found = re.findall(r"^(?:    |\$ )s2s-zoo (.+)", joined, re.MULTILINE)
    found += re.findall(r"`s2s-zoo ([^`]+)`", joined)
    return [shlex.split(line) for line in found if not PLACEHOLDER.search(line)]


def parsed(words):
    """The verb and what it is called with; nothing where it only is named."""
    verb, context = zoo, click.Context(zoo)
    while isinstance(verb, click.Group):
        _, verb, words = verb.resolve_command(context, words)
    return verb.name, verb.make_context(verb.name, words).params if words else {}


def section(path, heading):
    """What stands below a heading, up to the next."""
    _, found = path.read_text(encoding="utf-8").split(f"\n{heading}\n")
    return found.split("\n#")[0]


def first_column(text):
    """What stands between backticks in the first column of tables."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return re.findall(r"`([^`]+)`", " ".join(rows))


@every_page
def test_commands_of_a_page_can_be_typed(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in commands(path.read_text(encoding="utf-8")):
        if "--input" in words:
            Path(words[words.index("--input") + 1]).touch()
        verb, values = parsed(words)
        if verb in ("train", "show", "benchmark") and values:
            settings = dict(map(parse_setting, values.get("settings", ())))
            PRESETS.get(values["preset"]).with_settings(settings)
        spoken = path.stem == "speech_to_text"
        task = SpeechToText() if spoken else TextToText()
        task.search.parse(values.get("search", ""))


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_presets_and_settings_of_a_page_exist(path):
    known = {setting for preset in PRESETS for setting in preset.settings()}
    assert set(first_column(section(path, "## Presets"))) <= set(PRESETS.names())
    assert set(first_column(section(path, "## Settings that matter"))) <= known


@every_page
def test_links_of_a_page_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("package", PACKAGES)
def test_docs_list_the_names_of_a_package(package):
    names = importlib.import_module(package).__all__
    assert sorted(first_column(section(PYTHON, f"### `{package}`"))) == sorted(names)


def test_the_code_of_docs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = PYTHON.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 1
    exec(compile("\n".join(blocks), str(PYTHON), "exec"), {"__name__": "docs"})
