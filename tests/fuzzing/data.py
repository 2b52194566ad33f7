"""Directories of data: each format of each kind of examples, and corpora's layouts."""

import gzip
import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from s2s_zoo.data.corpora import CORPORA, wmt14_en_de
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.base import Kind
from s2s_zoo.data.recognition import kind_of
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from tests.fuzzing.subjects import Subject

RATE = 8000
ORIENTATION = 0x0112
"""The tag of Exif."""
PAIRS = (
    ("a small house near the river", "ein kleines Haus am Fluss"),
    ("it is very old and quiet", "es ist sehr alt und ruhig"),
    ("é", "ß"),
    ("", "leer"),
)
UNITS = "".join(
    f'<tu><tuv xml:lang="en"><seg>{a}</seg></tuv>'
    f'<tuv xml:lang="de"><seg>{b} <ph x="1">code</ph></seg></tuv></tu>\n'
    for a, b in PAIRS
)
TMX = f'<?xml version="1.0"?>\n<tmx version="1.4"><body>\n{UNITS}</body></tmx>\n'

Write = Callable[[Path], object]


def clip(path: Path, **form: str) -> Path:
    """A second of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, RATE)
    soundfile.write(path, audio, RATE, **form)
    return path


def lines(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def clips(place: Path) -> list[str]:
    """The names of audio files in several formats."""
    clip(place / "one.wav")
    clip(place / "two.flac")
    clip(place / "clips/three.mp3")
    return ["one.wav", "two.flac", "clips/three.mp3"]


def columns(place: Path) -> None:
    names = clips(place)
    rows = [f'{name},{i + 1},"said it",1.0,me' for i, name in enumerate(names)]
    lines(
        place / "train.csv",
        "wav_filename,wav_filesize,transcript,seconds,speaker",
        *rows,
    )
    lines(place / "test.csv", "wav_filename,transcript", "one.wav,x", "two.flac,y")


def common_voice(place: Path) -> None:
    clips(place)
    rows = ["me\tthree.mp3\tone", "me\tone.wav\ttwo"]
    lines(place / "train.tsv", "client_id\tpath\tsentence", *rows)


def utterance_objects(place: Path) -> None:
    names = clips(place)
    rows = [
        {"audio_filepath": name, "text": "é x", "duration": 1.0, "speaker": "me"}
        for name in names
    ]
    lines(place / "train.jsonl", *map(json.dumps, rows))
    lines(place / "test.json", json.dumps(rows, indent=1))


def librispeech_split(place: Path) -> None:
    for i in range(3):
        clip(place / f"84/121/84-121-000{i}.flac")
    rows = [f"84-121-000{i} GO DO YOU HEAR" for i in range(3)]
    lines(place / "84/121/84-121.trans.txt", *rows)


def ljspeech(place: Path) -> None:
    for i in range(3):
        clip(place / f"wavs/LJ{i}.wav")
    lines(place / "metadata.csv", *(f"LJ{i}|In 1465|in fourteen" for i in range(3)))


def m_ailabs(place: Path) -> None:
    book = place / "en_US/by_book/female/mary_ann/northandsouth"
    for i in range(6):
        clip(book / f"wavs/north_0{i}.wav")
    lines(book / "metadata.csv", *(f"north_0{i}|In 1465|in fourteen" for i in range(6)))


def computed(place: Path) -> None:
    rows = [f"u{i},{i + 50},said" for i in range(3)]
    lines(place / "train.csv", "utt,frames,transcript", *rows)
    features = {f"u{i}": np.ones((i + 50, 16), "float32") for i in range(3)}
    np.savez_compressed(place / "train.npz", **features)


def waves(place: Path) -> None:
    """WAV files of several headers."""
    forms = [
        ("WAV", "PCM_16", "LITTLE"),
        ("WAV", "FLOAT", "FILE"),
        ("RF64", "PCM_16", "FILE"),
    ]
    forms += [
        ("WAVEX", "PCM_24", "FILE"),
        ("WAV", "ULAW", "FILE"),
        ("WAV", "PCM_16", "BIG"),
    ]
    for i, (form, subtype, endian) in enumerate(forms):
        clip(place / f"{i}.wav", format=form, subtype=subtype, endian=endian)
    clip(place / "6.ogg", format="OGG", subtype="VORBIS")
    clip(place / "7.sph", format="NIST", subtype="PCM_16")
    names = [p.name for p in sorted(place.iterdir())]
    lines(place / "train.csv", "wav_filename,transcript", *(f"{n},x" for n in names))


def fsdd(place: Path) -> None:
    for i in (0, 6, 11, 12):
        clip(place / f"recordings/0_jackson_{i}.wav")


def an4(place: Path) -> None:
    folders = {"train": "an4_clstk", "test": "an4test_clstk"}
    for part, folder in folders.items():
        names = [f"an{i}-m{i:03}-b" for i in range(10)]
        for name in names:
            speaker = name.split("-")[1]
            clip(place / f"wav/{folder}/{speaker}/{name}.sph", format="NIST")
        rows = [f"YES ({name})" for name in names]
        lines(place / f"etc/an4_{part}.transcription", *rows)


def librispeech(place: Path) -> None:
    for subset in ("train-clean-100", "dev-clean", "test-clean"):
        librispeech_split(place / "LibriSpeech" / subset)


def aligned(place: Path, stem: str = "train", packed: bool = False) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for tag, texts in zip(("en", "de"), zip(*PAIRS, strict=True), strict=True):
        content = "".join(f"{text}\n" for text in texts).encode()
        if packed:
            (place / f"{stem}.{tag}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (place / f"{stem}.{tag}").write_bytes(content)


def tables(place: Path) -> None:
    rows = [f"{a}\t{b}" for a, b in PAIRS]
    lines(place / "train.tsv", *rows)
    content = "\r".join(rows).encode()
    (place / "test.tsv.gz").write_bytes(gzip.compress(content, mtime=0))


def pair_objects(place: Path) -> None:
    summaries = [{"document": a, "summary": b} for a, b in PAIRS]
    lines(place / "train.jsonl", *map(json.dumps, summaries))
    pairs = [{"source": a, "target": b} for a, b in PAIRS]
    lines(place / "validation.json", json.dumps(pairs, indent=1))
    replies = "".join(json.dumps({"prompt": a, "reply": b}) + "\n" for a, b in PAIRS)
    (place / "test.jsonl.gz").write_bytes(gzip.compress(replies.encode(), mtime=0))


def memories(place: Path) -> None:
    lines(place / "train.tmx", TMX)
    (place / "test.tmx.gz").write_bytes(gzip.compress(TMX.encode(), mtime=0))


def multi30k(place: Path) -> None:
    for stem in ("train", "val", "test_2016_flickr"):
        aligned(place, stem, packed=True)


def wmt14(place: Path) -> None:
    for stem in (*wmt14_en_de.TRAIN, wmt14_en_de.VALIDATION, wmt14_en_de.TEST):
        aligned(place, stem)


def iwslt14(place: Path) -> None:
    for role in ("train", "validation", "test"):
        aligned(place, f"iwslt14.{role}")


def plain(directory: Path, packed: bool = False) -> None:
    directory.mkdir()
    for name in ("train", "valid", "test"):
        text = "".join(f"{name} has some words, as many as {i}\n" for i in range(40))
        content = text.encode()
        ending = ".txt.gz" if packed else ".txt"
        packed_or_not = gzip.compress(content) if packed else content
        (directory / f"{name}{ending}").write_bytes(packed_or_not)


def image(path: Path, mode: str = "L", **options: Any) -> str:
    """6 x 5 pixels of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(path, **options)
    return path.name


def image_folders(place: Path) -> None:
    modes = {"png": "P", "jpg": "CMYK", "gif": "L", "bmp": "RGB", "tif": "RGB"}
    for label in ("cat", "dog"):
        for ending, mode in {**modes, "webp": "RGB", "pgm": "L"}.items():
            image(place / "train" / label / f"{label}.{ending}", mode)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image(place / "test" / "cat" / "turned.jpg", "RGB", exif=exif)


def image_table(place: Path) -> None:
    names = [image(place / f"{mode}.png", mode) for mode in ("L", "RGBA", "1", "LA")]
    rows = [f"{label},{name},{i}" for label in "ab" for i, name in enumerate(names)]
    lines(place / "train.csv", "label,path,by", *rows)
    objects = [{"label": "a", "path": name} for name in names]
    lines(place / "test.jsonl", *map(json.dumps, objects))


def image_arrays(place: Path) -> None:
    place.mkdir(parents=True)
    x, y = np.random.default_rng(0).integers(0, 256, (6, 8, 7), np.uint8), np.arange(6)
    np.savez_compressed(place / "train.npz", x=x, y=y % 2)
    np.savez(place / "test.npz", x=x.astype("uint16"), y=(y % 2)[:, None])


def recording_folders(place: Path) -> None:
    for label in ("go", "stop"):
        clips(place / "train" / label)
        clip(place / "test" / label / "one.sph", format="NIST")


def recording_table(place: Path) -> None:
    names = clips(place)
    rows = [f"{label},{name},{i}" for i, name in enumerate(names) for label in "ab"]
    lines(place / "train.csv", "label,path,speaker", *rows)
    objects = [{"label": "a", "path": name} for name in names]
    lines(place / "test.jsonl", *map(json.dumps, objects))


FORMATS: dict[str, Sequence[Write]] = {
    "utterances": (
        *(columns, common_voice, utterance_objects, librispeech_split, ljspeech),
        *(computed, waves, fsdd, an4, librispeech, m_ailabs),
    ),
    "pairs": (
        *(aligned, partial(aligned, packed=True), tables, pair_objects, memories),
        *(multi30k, iwslt14, wmt14),
    ),
    "texts": (plain, partial(plain, packed=True)),
    "labelled_images": (image_folders, image_table, image_arrays),
    "labelled_recordings": (recording_folders, recording_table),
}
"""What a kind is read from. Of a kind that is not here, its demo corpus is damaged."""


def read_all(name: str, directory: Path) -> None:
    """Every split in every batch, as trainings and evaluations read it.

    The task is that of the preset the kind's data is checked for.
    """
    kind: Kind[Any] = KINDS.get(name)
    task, model = _scaled(kind.preset)
    kind_of(str(directory))
    source = kind.for_task(task).open(str(directory))
    splits = {role: source.read_split(role) for role in source.all_roles()}
    for examples in splits.values():
        assert len(list(examples)) == len(examples)
    task = task.fit(next(iter(splits.values())))
    for role, examples in splits.items():
        for training in (True, False):
            usable = task.select(model, examples, role, training).usable
            batches = task.batches(usable, training=training)
            plan = batches.plan(task.evaluation_budget, shuffle=training)
            for batch in plan.epoch(0):
                batches.load(batch, 0 if training else None)


@cache
def _scaled(preset: str) -> tuple[Any, Seq2Seq]:
    """A task whose tokenizers hold few tokens, and a model for it."""
    scaled = PRESETS.get(preset).scaled()
    return scaled.task, scaled.build()


def _demo(kind: Kind[Any]) -> Write:
    corpus = CORPORA.get(PRESETS.get(kind.preset).task.demo_corpus)
    return partial(corpus.prepare, progress=False)


def _named(write: Write) -> str:
    whole = getattr(write, "func", write)
    keywords = getattr(write, "keywords", {})
    return " ".join([whole.__name__, *keywords])


DATA = [
    Subject(
        f"{kind.name} {_named(write)}", write, partial(read_all, kind.name), share=2
    )
    for kind in KINDS
    for write in FORMATS.get(kind.name, (_demo(kind),))
]
