"""Files with something wrong in them: by the structure of what they hold, and by bytes.

Everything follows from the content and the generator that is given.
"""

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from random import Random
from typing import Any

import h5py

from tests.fuzzing.byte_edits import HEADER, mutate_bytes

OUTSIDE = "outside"
"""The folder beside the one that is read; it holds what lies in there too."""

NUMBERS = (
    *(0, -1, 1, 2, 255, 4097, 2**31 - 1, 2**31, 2**63, 10**12, -(10**12), 10**400),
    *(0.5, -0.0, 1e-320, 1e12, 1e308, float("inf"), float("-inf"), float("nan")),
)
TEXTS = (
    *("", " ", "\0", "\ud800", "\u202e", "\u2028", "x" * 200_000, "9" * 5000, "nan"),
    *("../../etc/passwd", "/etc/passwd", f"../{OUTSIDE}", "~", "..", ".", "/dev/zero"),
    *("~nobody/x", "C:x", "\\\\server\\share\\x", "\\\\", "\\\\?\\C:\\x", "../a" * 90),
    *("file:///etc/passwd", "C:\\Windows\\win.ini", "a/" * 3000, "1e400", "{}%s"),
    *("keras>Lambda", "builtins>eval", "s2s_zoo>CTC", "s2s_zoo>LSTM", "part"),
)
DEPTHS = (50, 300, 480, 900, 980, 990, 100_000)
ENCODINGS = ("utf-7", "utf-16", "utf-32", "big5", "idna", "nonsense", "rot13", "")
SEPARATORS = (",", "\t", "|", '"', " ", "\r", "\n", "<", ">", "&", ":", "#", "\\", "0")

DAMAGED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, EOFError),
    *(LookupError, ValueError, RuntimeError),
)
"""What the standard library raises for it."""

Slot = tuple[Any, Any]
"""A container of a JSON document and a key or an index in it."""


def mutate(content: bytes, random: Random) -> bytes:
    """The content with a thing or more wrong."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        content = _mutated(content, random)
    return content


def _mutated(content: bytes, random: Random) -> bytes:
    if content[:2] == b"\x1f\x8b" and random.random() < 0.7:
        return _repacked(content, random)
    if content[1:4] == b"HDF" and random.random() < 0.7:
        return _mutate_hdf5(content, random)
    if content[:2] == b"PK" and random.random() < 0.7:
        return _mutate_member(content, random)
    if random.random() < 0.2:
        return mutate_bytes(content, random)
    for structured in (_mutate_xml, _mutate_json, _mutate_json_line, _mutate_text):
        try:
            return structured(content, random)
        except (ValueError, RecursionError):
            continue
    return mutate_bytes(content, random)


def _repacked(content: bytes, random: Random) -> bytes:
    """A file of gzip with something else wrong in it."""
    try:
        plain = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return mutate_bytes(content, random)
    return gzip.compress(_mutated(plain, random), 1, mtime=0)


def _mutate_member(content: bytes, random: Random) -> bytes:
    """A ZIP file with something wrong in a file or with a name of it."""
    try:
        return _rezipped(content, random)
    except DAMAGED_ZIP:
        return mutate_bytes(content, random)


def _rezipped(content: bytes, random: Random) -> bytes:
    output = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(output, "w") as target,
    ):
        names = source.namelist()
        chosen = random.choice(names)
        for name in names:
            found, renamed = source.read(name), name
            if name == chosen and random.random() < 0.2:
                renamed = random.choice([*names, "x", "../x.npy", f"{name}.npy"])
            elif name == chosen:
                found = _mutate_array(found, random)
            target.writestr(zipfile.ZipInfo(renamed), found)
    return output.getvalue()


def _mutate_hdf5(content: bytes, random: Random) -> bytes:
    """A tree of weights with another node in it."""
    stream = io.BytesIO(content)
    try:
        with h5py.File(stream, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            _replace_node(file, sorted(names), random)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError):
        return mutate_bytes(content, random)
    return stream.getvalue()


def _replace_node(file: h5py.File, names: list[str], random: Random) -> None:
    name, other = random.choice(names), random.choice(names)
    if random.random() < 0.2:
        file.move(name, random.choice((f"{other}/x", "x", f"{name}0")))
        return
    del file[name]
    match random.randrange(5):
        case 0:
            weights = f"../{OUTSIDE}/model.weights.h5"
            file[name] = h5py.ExternalLink(weights, f"/{name}")
        case 1:
            file[name] = h5py.SoftLink(f"/{other}")
        case 2:
            file[name] = file[other]
        case _:
            shape = random.choice(((), (1,), (3, 0), (7, 5), (10**12,)))
            kind = random.choice(("f4", "f8", "i1", "c8", "S5", "b1", "f2"))
            file.create_dataset(
                name, shape, kind, chunks=(99,) if shape == (10**12,) else None
            )


def _mutate_array(content: bytes, random: Random) -> bytes:
    """An .npy file with another header or other numbers."""
    if random.random() < 0.3 or b"\n" not in content[:HEADER]:
        return mutate_bytes(content, random)
    end = content.index(b"\n")
    header = _mutate_text(content[10:end], random).strip() + b"\n"
    return (
        content[:8]
        + struct.pack("<H", len(header) % 65536)
        + header
        + content[end + 1 :]
    )


def _mutate_text(content: bytes, random: Random) -> bytes:
    """Lines and values of a text in disorder."""
    lines = content.decode().split("\n")
    at = random.randrange(len(lines))
    line = lines[at]
    match random.randrange(8):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, line * random.choice((1, 2, 200)))
        case 2:
            lines[at] = random.choice(lines)
        case 3:
            place = random.randrange(len(line) + 1)
            lines[at] = line[:place] + random.choice(SEPARATORS) + line[place:]
        case _:
            lines[at] = _other_value(line, random)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _other_value(line: str, random: Random) -> str:
    """The line with one of its values replaced."""
    held = [separator for separator in SEPARATORS if separator in line]
    separator = random.choice(held or [" "])
    values = line.split(separator)
    value = str(_odd(random, values))
    values[random.randrange(len(values))] = value[: random.choice((9, 10**6))]
    return separator.join(values)


def _mutate_xml(content: bytes, random: Random) -> bytes:
    """A document in an encoding that it is not in, or of elements within elements."""
    if not content.startswith(b"<?xml") or random.random() < 0.6:
        raise ValueError("no XML, or this time not as such")
    if random.random() < 0.5:
        found = f'" encoding="{random.choice(ENCODINGS)}"?>'.encode()
        return re.sub(rb'"[^"]*\?>', found, content, count=1)
    places = [found.end() for found in re.finditer(b"<[a-z]+>", content)]
    place, depth = random.choice(places or [0]), random.choice(DEPTHS[:-1])
    name = random.choice((b"hi", b"seg", b"tu", b"tuv"))
    end = content.find(b"</", place)
    opened, closed = b"<%s>" % name * depth, b"</%s>" % name * depth
    return content[:place] + opened + content[place:end] + closed + content[end:]


def _mutate_json(content: bytes, random: Random) -> bytes:
    document = json.loads(content)
    if not isinstance(document, dict | list):
        raise ValueError("no document")
    return _dump(_changed(document, random), random)


def _mutate_json_line(content: bytes, random: Random) -> bytes:
    lines = content.splitlines()
    documents = [json.loads(line) for line in lines if line.strip()]
    if not documents or not all(isinstance(value, dict) for value in documents):
        raise ValueError("no documents")
    if random.random() < 0.3:
        return _mutate_text(content, random)
    at = random.randrange(len(documents))
    lines[at] = _dump(_changed(documents[at], random), random)
    return b"\n".join(lines) + b"\n"


def _dump(document: Any, random: Random) -> bytes:
    """JSON, sometimes with a value nested too deep or a key twice."""
    text = json.dumps(document, ensure_ascii=random.random() < 0.7)
    if '"deep"' in text:
        depth = random.choice(DEPTHS)
        opened, closed = random.choice((("[", "]"), ('{"part":', "}")))
        text = text.replace('"deep"', f"{opened * depth}0{closed * depth}")
    text = text.replace('"digits"', "9" * 5000).replace('"twice": ', '"part": ')
    return text.encode("utf-8", "surrogatepass")


def _changed(document: Any, random: Random) -> Any:
    slots = list(_slots(document))
    if not slots or random.random() < 0.03:
        return _odd(random, [document])
    container, key = random.choice(slots)
    others = [c[k] for c, k in slots]
    match random.randrange(6):
        case 0:
            del container[key]
        case 1 if isinstance(container, dict):
            names = [k for _, k in slots if isinstance(k, str)]
            renamed = random.choice([*names, "twice", *TEXTS])
            container[renamed] = container.pop(key)
        case 2 if isinstance(container, dict):
            container[random.choice(("twice", "x", key.upper()))] = random.choice(
                others
            )
        case _:
            container[key] = _odd(random, others)
    return document


def _slots(value: Any) -> Any:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _slots(value[key])


def _odd(random: Random, others: list[Any]) -> Any:
    """A value that does not belong, or one from elsewhere in the document."""
    plain = (
        None,
        True,
        False,
        [],
        {},
        [None],
        [[1, 2], [3]],
        {"part": "x"},
        "deep",
        "digits",
    )
    value = random.choice(random.choice((NUMBERS, TEXTS, plain, others)))
    climbs = isinstance(value, str) and random.random() < 0.2
    return f"../{OUTSIDE}/{value}" if climbs else value
