"""`list` fits the terminal, and `show` tells the rest, to be pasted back."""

from dataclasses import replace

import pytest

from s2s_zoo.registry import PRESETS
from s2s_zoo.settings import parse_setting
from tests.cli.conftest import read_json


def menu(zoo, monkeypatch, columns, *options):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, err = zoo("list", *options)
    assert code == 0, err
    return out.splitlines()


def by_task():
    found = {}
    for preset in PRESETS:
        found.setdefault(preset.task.name, []).append(preset)
    return found


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_line_a_preset_below_its_task_and_no_name_is_cut(zoo, monkeypatch, columns):
    lines = iter(menu(zoo, monkeypatch, columns))
    for task, presets in sorted(by_task().items()):
        assert next(lines) == task
        for preset in presets:
            line = next(lines)
            assert len(line) <= max(columns, 36)
            name, size, unit, *_ = line.split()
            assert (name, size, unit) == (
                preset.name,
                f"{preset.parameters / 1e6:.1f}",
                "M",
            )
    assert list(lines) == []


def test_sixty_four_presets_are_two_screens(zoo, monkeypatch):
    longest = replace(PRESETS.get("gnmt"), name="a_name_of_thirty_characters_it_is")
    more = {f"more_{i}": replace(longest, name=f"more_{i}") for i in range(63)}
    monkeypatch.setattr(PRESETS, "_entries", more | {longest.name: longest})
    lines = menu(zoo, monkeypatch, 80)
    assert len(lines) == 65
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith(f"  {longest.name} 320.9 M  8+8 LSTMs")


def test_what_goes_to_a_file_is_not_cut(zoo, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    _, out, _ = zoo("list", "--task", "speech-to-text")
    for preset in by_task()["speech_to_text"]:
        assert preset.summary in out
    assert "text_to_text" not in out


def shown(zoo, name):
    code, out, err = zoo("show", name)
    assert code == 0, err
    return out.splitlines()


@pytest.mark.parametrize("name", ["deepspeech2_large", "reversal_tt", "convs2s"])
def test_show_can_be_pasted_back_line_by_line(zoo, name):
    preset = PRESETS.get(name)
    lines = [line for line in shown(zoo, name) if line and "# " not in line[:4]]
    settings = dict(parse_setting(line.removeprefix("* ")) for line in lines)
    assert settings.keys() == preset.settings().keys()
    assert preset.with_settings(settings).settings() == preset.settings()


def test_show_marks_what_differs_from_the_preset_it_varies(zoo):
    lines = shown(zoo, "deepspeech2-large")
    assert "# * marks what differs from deepspeech2_small" in lines
    marked = {line[2:].split(":")[0] for line in lines if line.startswith("* ")}
    small, large = (
        PRESETS.get(f"deepspeech2_{size}").settings() for size in ("small", "large")
    )
    differing = {path for path, value in large.items() if small.get(path) != value}
    differing |= {path for path in large if path not in small}
    kinds = {"# recipe.optimizer", "# recipe.schedule"}
    assert marked == differing | kinds
    assert "encoder.rnn_layers" in marked
    assert "  encoder.cell: gru" in lines


def test_show_with_settings_marks_and_counts_them(zoo):
    wider = ("--set", "encoder.channels.7=2048", "--set", "recipe.epochs=3")
    code, out, err = zoo("show", "quartznet-5x3", *wider)
    assert code == 0, err
    lines = out.splitlines()
    assert "# * marks what differs from quartznet_5x3" in lines
    preset = PRESETS.get("quartznet_5x3")
    kernels, shifts, outputs = 512 * 1024, 2 * 1024, 29 * 1024
    count = preset.parameters + kernels + shifts + outputs
    assert f"{count:,} parameters" in lines[1]
    marked = [line for line in lines if line.startswith("* ")]
    assert [line.split(":")[0] for line in marked] == [
        "* encoder.channels",
        "* recipe.epochs",
    ]
    code, _, err = zoo("show", "quartznet-5x3", "--set", "encoder.channel=3")
    assert code == 1
    assert "encoder.channels" in err


def test_show_is_grouped_by_part(zoo):
    lines = shown(zoo, "reversal_tt")
    starts = [line[2:] for line in lines if line[2:].startswith("# ")]
    assert starts[:4] == [
        "# task: TextToText",
        "# task.objective: CrossEntropy",
        "# task.search: TokenSearch",
        "# features: TokenFeatures",
    ]
    assert "# encoder: TransformerEncoder" in starts
    assert "# recipe.optimizer: Adam" in starts
    assert not any("marks what differs" in line for line in shown(zoo, "reversal_rr"))


def test_show_as_json_tells_what_it_varies(zoo):
    found = read_json(zoo("show", "summarizer-small", "--json")[1])
    assert found["varies"] == "transformer_tiny"
    assert found["task.cut"] == 512
    assert read_json(zoo("show", "deepspeech2-small", "--json")[1])["varies"] is None


def test_show_has_the_table_of_a_network_as_rows(zoo):
    code, out, _ = zoo("show", "quartznet-15x5")
    assert code == 0
    rows = [line.split()[1:] for line in out.splitlines() if line.startswith("  #   ")]
    header = next(row for row in rows if row[0] == "kinds")
    start = rows.index(header) + 1
    rows = rows[start : start + 8]
    assert [place for place, *_ in rows] == list("01234567")
    columns = zip(*(row[1:] for row in rows), strict=True)
    table = dict(zip(header, columns, strict=True))
    assert table["kernels"] == ("33", "33", "39", "51", "63", "75", "87", "1")
    assert table["kinds"] == ("separable",) * 7 + ("conv1d",)
