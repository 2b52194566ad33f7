"""`s2s-zoo train --numerics`."""

from pathlib import Path

from tests.cli.conftest import read_json, settings_options


def test_numerics_as_json(zoo, corpus, tmp_path):
    code, out, err = zoo(
        *("train", "deepspeech2-small", "--data", corpus, "--numerics", "--json"),
        *("--run-dir", tmp_path / "run", "--max-steps", 2, *settings_options()),
    )
    assert code == 0, err
    found = read_json(out)["numerics"]
    assert found["recordings"] == 2
    assert found["seconds"] > 0
    assert Path(found["path"]).is_file()
    assert any("bfloat16" in line for line in found["verdict"])
    assert "numerics: 2 recordings" in err
    assert (tmp_path / "run/plots/numerics.png").is_file()
