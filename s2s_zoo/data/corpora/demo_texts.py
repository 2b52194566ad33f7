"""Prose that Python brings along: its documentation, as a corpus to model."""

import ast
import hashlib
import platform
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.made import MadeCorpus
from s2s_zoo.data.corpora.text_files import TextCorpus

SPLITS = ("train",) * 8 + ("validation", "test")
"""Where documents go, by their hash."""

LEFT_OUT = re.compile(r"(^|/)(test|idlelib|lib2to3|turtledemo|site-packages|dist-.*)/")
"""Folders of the library whose modules are no documentation, or not Python's."""

FEWEST = 4
"""Words of a paragraph that is kept."""

_PART = re.compile(r"\n\s*\n")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SESSION = ">>>"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, kw_only=True)
class DemoTexts(MadeCorpus, TextCorpus):
    """Topics of `help()` and the docstrings of the standard library.

    A line is a paragraph, in lower case, punctuation apart from words. Whole
    documents, a topic or a module, are in one split, and no paragraph comes twice, so
    that nothing can be repeated from train. The most frequent word alone is known
    from no context: to give every word its share of train, whatever stands before it,
    has a perplexity of hundreds.
    """

    name: str = "demo_texts"
    summary: str = "Python's documentation: 0.3 M words"
    licence: str = "PSF License Version 2"
    languages: tuple[str, ...] = ("en",)
    kind: str = "texts"

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        return {split: (f"{split}.txt",) for split in self.splits}

    def home(self) -> Path:
        """Each version of Python has other words."""
        place = super().home()
        return place.with_name(f"{place.name}-python-{platform.python_version()}")

    def make(self, directory: Path, progress: bool) -> None:
        found: dict[str, list[str]] = {split: [] for split in self.splits}
        known: set[str] = set()
        for name, text in documents():
            lines = [line for line in paragraphs(text) if line not in known]
            known.update(lines)
            found[split_of(name)] += dict.fromkeys(lines)
        for split, lines in found.items():
            text = "".join(f"{line}\n" for line in lines)
            path = directory / f"{split}.txt"
            path.write_text(text, encoding="utf-8", newline="\n")


def documents() -> Iterator[tuple[str, str]]:
    """Name and text of each topic, and of each module of the library there is."""
    from pydoc_data.topics import topics

    yield from sorted(topics.items())
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        name = path.relative_to(library).as_posix()
        if not LEFT_OUT.search(name):
            yield name, "\n\n".join(docstrings(path))


def docstrings(path: Path) -> Iterable[str]:
    """Those of a module, and of the classes and functions in it; none if broken."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    nodes = (node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED))
    return filter(None, map(ast.get_docstring, nodes))


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a document that are prose, each a line of words."""
    parts = (part for part in _PART.split(text.lower()) if _SESSION not in part)
    lines = (_TOKEN.findall(part) for part in parts)
    return [" ".join(words) for words in lines if len(words) >= FEWEST]


def split_of(name: str) -> str:
    """The split of a document."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return SPLITS[number % len(SPLITS)]


CORPORA.register("demo_texts", DemoTexts(), __file__)
