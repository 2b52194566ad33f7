"""Run directories that no training has made."""

from pathlib import Path

from s2s_zoo.workflows.run_directory import RunDirectory


def write_request(run: Path, preset: str, data: Path) -> None:
    """What such a run was asked for: a preset, trained on that data."""
    RunDirectory(run).write_request(
        {
            "preset": preset,
            "directory": str(Path.cwd()),
            "data": str(data),
            "settings": {},
            "audio_root": [],
            "numerics": False,
            "init_from": None,
            "init_partly": False,
        }
    )
