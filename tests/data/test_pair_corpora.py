"""Corpora of pairs: what they hold, how they are found, fetched and split."""

import gzip
import hashlib
import importlib.util
import itertools
import json
import logging
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.corpora import (
    CORPORA,
    demo_numbers,
    demo_reversal,
    iwslt14_de_en,
    made,
    multi30k,
    wmt14_en_de,
)
from s2s_zoo.data.corpora.demo_numbers import DemoNumbers
from s2s_zoo.data.corpora.demo_summaries import EVENTS, OUTCOMES, PEOPLE, TOWNS
from s2s_zoo.data.corpora.iwslt14_de_en import Iwslt14DeEn
from s2s_zoo.data.corpora.lookup import find_corpus
from s2s_zoo.data.corpora.multi30k import Multi30k
from s2s_zoo.data.corpora.wmt14_en_de import Archive, Wmt14EnDe
from s2s_zoo.data.kinds.pairs import Pairs
from s2s_zoo.data.kinds.utterances import Utterances
from s2s_zoo.data.pairs import Pair, PairSequence
from s2s_zoo.errors import UserError
from tests.data.conftest import Serve

ROLES = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("S2S_ZOO_DATA_DIR", raising=False)
    return tmp_path / "cache"


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def texts(pairs: PairSequence) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in pairs]


def read_all(
    data: str, source: str = "en", target: str = "de"
) -> dict[str, list[Pair]]:
    return {role: list(Pairs(source, target).read(data, role)) for role in ROLES}


def test_registry():
    names = {c.name for c in CORPORA if c.kind == "pairs"}
    assert names >= {
        *("demo_numbers", "demo_reversal", "demo_summaries"),
        *("multi30k", "wmt14_en_de", "iwslt14_de_en"),
    }
    with pytest.raises(UserError, match="demo_numbers holds pairs, not utterances"):
        Utterances().read("demo-numbers", "train")
    with pytest.raises(UserError, match=r"an4 holds utterances.* multi30k"):
        Pairs("en", "de").read("an4", "train")


def test_demo_numbers():
    pytest.importorskip("num2words", reason="writes the numbers")
    found = read_all("demo_numbers")
    counts = {role: len(pairs) for role, pairs in found.items()}
    assert counts == {"train": 20_000, "validation": 1000, "test": 1000}
    sources = [pair.source for pairs in found.values() for pair in pairs]
    assert len(set(sources)) == len(sources)
    split = demo_numbers.numbers(DemoNumbers().version)
    assert sources[0] == next(demo_numbers.in_words(split["train"]))[0]
    assert set(range(100)) < set(split["train"])
    digits = Counter(len(str(number)) for number in split["test"])
    assert set(digits) == {3, 4, 5, 6}
    backwards = Pairs("de", "en").read("demo_numbers", "test")
    assert texts(backwards) == [(p.target, p.source) for p in found["test"]]
    with pytest.raises(UserError, match=r"languages en, de; received 'en' .* 'fr'"):
        Pairs("en", "fr").read("demo_numbers", "test")


def test_demo_numbers_of_another_size():
    pytest.importorskip("num2words", reason="writes the numbers")
    found = read_all("demo_numbers:21500")
    counts = {role: len(pairs) for role, pairs in found.items()}
    assert counts == {"train": 21_500, "validation": 2000, "test": 2000}
    sources = [pair.source for pairs in found.values() for pair in pairs]
    assert len(set(sources)) == len(sources)
    shorter = texts(Pairs("en", "de").read("demo_numbers", "test"))
    assert texts(found["test"])[:1000] == shorter
    longer = read_all("demo_numbers:22000")
    for role in ("validation", "test"):
        assert texts(longer[role]) == texts(found[role])
    held_out = {p.source for role in ("validation", "test") for p in found[role]}
    assert not held_out & {pair.source for pair in longer["train"]}
    for size in ("19999", "50000001", "", "1e6"):
        with pytest.raises(UserError, match="SIZE of 20000 to 50000000 pairs"):
            Pairs("en", "de").read(f"demo_numbers:{size}", "train")
    with pytest.raises(UserError, match="demo_reversal has one size"):
        Pairs("en", "de").read("demo_reversal:5", "train")


def test_demo_numbers_of_another_size_by_path():
    pytest.importorskip("num2words", reason="writes the numbers")
    path = find_corpus(DemoNumbers(size=21_500))
    forth = Pairs("en", "de").read(str(path), "test")
    back = Pairs("de", "en").read(str(path), "test")
    assert texts(back) == [(target, source) for source, target in texts(forth)]
    with pytest.raises(UserError, match="languages en, de"):
        Pairs("en", "fr").read(str(path), "test")


def test_longer_numbers_never_repeat():
    drawn = list(itertools.islice(demo_numbers.longer_numbers(1), 60_000))
    assert len(set(drawn)) == 60_000
    digits = Counter(len(str(number)) for number in drawn)
    assert digits == dict.fromkeys(range(7, 13), 10_000)


def test_numbers_are_those_of_num2words():
    """Composed of their groups of three digits, which is faster, and nothing else."""
    num2words = pytest.importorskip("num2words", reason="the reference").num2words
    drawn = np.random.default_rng(0).integers(0, 10**6, 100).tolist()
    drawn += itertools.islice(demo_numbers.longer_numbers(0), 100)
    drawn += [0, 1, 21, 100, 101, 1000, 1001, 1100, 21_021, 100_000, 101_101, 999_999]
    drawn += [10**6, 10**6 + 1, 2_000_100, 1_001_000, 10**9, 3 * 10**9 + 5, 10**12 - 1]
    expected = [(num2words(n, lang="en"), num2words(n, lang="de")) for n in drawn]
    assert list(demo_numbers.in_words(drawn)) == expected


def test_demo_numbers_need_num2words(monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "num2words" else find(n)
    )
    with pytest.raises(UserError, match=r"s2s-zoo\[demo\].*--data PATH"):
        Pairs("en", "de").read("demo_numbers", "train")


def test_demo_reversal():
    found = read_all("demo_reversal")
    counts = {role: len(pairs) for role, pairs in found.items()}
    assert counts == {"train": 10_000, "validation": 1000, "test": 2000}
    every = [pair for pairs in found.values() for pair in pairs]
    sequences = [pair.source.split() for pair in every]
    assert {len(sequence) for sequence in sequences} == set(range(5, 51))
    assert len({letter for sequence in sequences for letter in sequence}) == 10
    assert len({pair.source for pair in every}) == 13_000
    assert [p.target.split() for p in every] == [s[::-1] for s in sequences]


def test_demo_summaries():
    found = read_all("demo_summaries", "en", "en")
    counts = {role: len(pairs) for role, pairs in found.items()}
    assert counts == {"train": 8000, "validation": 200, "test": 400}
    every = [pair for pairs in found.values() for pair in pairs]
    lengths = [len(pair.source.split()) for pair in every]
    assert 40 < min(lengths) < 60
    assert 350 < max(lengths) <= 420
    assert np.median(lengths) < sum(lengths) / len(lengths) < 200
    facts = set()
    for source, target in ((pair.source, pair.target) for pair in every):
        (event,) = (e for e in EVENTS if f" {e} in " in target)
        (town,) = (t for t in TOWNS if f" in {t} touched" in target)
        day, people = target.split()[1], target.split("touched ")[1].split()[0]
        (mayor,) = (p for p in PEOPLE if f"Mayor {p} " in target)
        (outcome,) = (o for o in OUTCOMES if target.endswith(f"{mayor} {o}."))
        told = [
            f"It was {day} when it began in {town}: {EVENTS[event]}.",
            f"People in {town} speak of the {event} as",
            f"In all {people} people",
            f"Mayor {mayor} {OUTCOMES[outcome]}.",
        ]
        places = [source.index(sentence) for sentence in told]
        assert places == sorted(places)
        assert source.count(town) == 2
        facts.add((event, town, day, people, mayor, outcome))
    assert len(facts) == len(every)


def test_demos_are_made_once_and_whole(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    corpus = CORPORA.get("demo_reversal")
    monkeypatch.setattr(
        demo_reversal, "COUNTS", {"train": 3, "validation": 1, "test": 1}
    )
    place = corpus.prepare()
    assert place == cache / "demo_reversal-1"
    with monkeypatch.context() as patch:
        patch.setattr(type(corpus), "make", None)
        assert corpus.prepare() == place
    with pytest.raises(UserError, match="exists and is not version 1 of demo_reversal"):
        corpus.prepare(write(tmp_path / "mine" / "train.tsv", "a\tb").parent)
    with pytest.raises(UserError, match="does not hold version 1"):
        corpus.read("train", tmp_path)
    moved = tmp_path / "moved"
    shutil.move(place, moved)

    def overtaken(source: Path, destination: Path) -> None:
        shutil.copytree(moved, destination)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(made.os, "replace", overtaken)
    assert corpus.prepare() == place
    assert [path.name for path in cache.iterdir()] == ["demo_reversal-1"]


def make_multi30k(directory: Path) -> Path:
    for stem, count in (("train", 5), ("val", 2), ("test_2016_flickr", 1)):
        for tag in ("en", "de", "fr", "cs"):
            lines = [f"{stem} {tag} {i}" for i in range(count)]
            write(directory / f"{stem}.{tag}.gz", *lines)
    return directory


def test_multi30k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_multi30k(tmp_path / "mt_multi30k")
    monkeypatch.setenv("S2S_ZOO_DATA_DIR", str(tmp_path))
    assert texts(Pairs("cs", "fr").read("multi30k", "validation")) == [
        ("val cs 0", "val fr 0"),
        ("val cs 1", "val fr 1"),
    ]
    by_path = Pairs("en", "de").read(str(tmp_path / "mt_multi30k"), "test")
    expected = Pair("test_2016_flickr.en.gz:1", *by_path[0][1:])
    assert by_path[0] == expected
    assert len(Pairs("en", "de").read("multi30k", "train+test")) == 6
    with pytest.raises(UserError, match="languages en, de, fr, cs; received 'en'"):
        Pairs("en", "en").read("multi30k", "test")
    with pytest.raises(UserError, match=r"train\.en\.gz: not that of commit a3d2e0d"):
        Multi30k().prepare(tmp_path / "mt_multi30k", progress=False)


def test_multi30k_is_fetched_from_the_mirror_that_has_it(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, cache: Path
):
    served = make_multi30k(tmp_path / "good")
    (tmp_path / "empty").mkdir()
    urls = (serve(tmp_path / "empty"), serve(served))
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in served.iterdir()
    }
    assert hashes.keys() == multi30k.SHA256.keys()
    monkeypatch.setattr(multi30k, "URLS", urls)
    monkeypatch.setattr(multi30k, "SHA256", hashes)
    assert Multi30k().prepare(progress=False) == cache / "multi30k"
    assert len(Pairs("en", "de").read("multi30k", "train")) == 5


SGML = """<srcset setid="newstest2014" srclang="any"><doc id="a"><p>
<seg id="1">{} &amp; more</seg>
<seg id="2"> second
 line </seg></p></doc></srcset>"""


def make_wmt14(directory: Path, serve: Serve, reversed_roles: bool) -> list[Archive]:
    archives = []
    url = serve(directory)
    for i, archive in enumerate(wmt14_en_de.ARCHIVES):
        tree = directory / f"tree{i}"
        for name, candidates in archive.files.items():
            kept = candidates[-1 if reversed_roles else 0]
            content = SGML.format(name) if kept.endswith("sgm") else f"{name}\nx"
            write(tree / "some" / "folder" / kept, content)
        shutil.make_archive(str(directory / f"a{i}"), "gztar", tree)
        urls = (f"{url}/none.tgz", f"{url}/a{i}.tar.gz")
        archives.append(Archive(archive.name, urls, archive.files))
    return archives


@pytest.mark.parametrize("reversed_roles", [False, True])
def test_wmt14_is_fetched(
    tmp_path: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
    reversed_roles: bool,
):
    archives = make_wmt14(tmp_path / "served", serve, reversed_roles)
    monkeypatch.setattr(wmt14_en_de, "ARCHIVES", archives)
    with pytest.raises(UserError, match="s2s-zoo data prepare wmt14_en_de"):
        Pairs("en", "de").read("wmt14_en_de", "train")
    place = Wmt14EnDe().prepare(progress=False)
    found = read_all("wmt14_en_de")
    assert [tuple(pair[1:]) for pair in found["train"]] == [
        row
        for stem in wmt14_en_de.TRAIN
        for row in [(f"{stem}.en", f"{stem}.de"), ("x", "x")]
    ]
    assert found["train"][2].name == "commoncrawl.de-en.en:1"
    assert texts(found["validation"])[0] == ("newstest2013.en", "newstest2013.de")
    assert texts(found["test"]) == [
        ("newstest2014.en & more", "newstest2014.de & more"),
        ("second line", "second line"),
    ]
    assert len(list(place.iterdir())) == 10
    monkeypatch.setattr(wmt14_en_de, "download", None)
    assert Wmt14EnDe().prepare(progress=False) == place == cache / "wmt14_en_de"


def test_wmt14_of_another_archive(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path / "served/tree/other.en", "x")
    shutil.make_archive(str(tmp_path / "served/a"), "gztar", tmp_path / "served/tree")
    url = f"{serve(tmp_path / 'served')}/a.tar.gz"
    archives = [Archive("a.tgz", (url,), {"europarl-v7.de-en.en": ("europarl.en",)})]
    monkeypatch.setattr(wmt14_en_de, "ARCHIVES", archives)
    with pytest.raises(UserError, match=r"the archive holds no europarl\.en"):
        Wmt14EnDe().prepare(progress=False)


def make_iwslt14(directory: Path) -> None:
    for tag in ("de", "en"):
        lines = [f"{tag} {i}" for i in range(48)]
        lines[7] = "" if tag == "de" else "en 7"
        head = ["<url>http://x</url>", "<keywords>a</keywords>", "<talkid>1</talkid>"]
        translator = ["<translator href='x'>N</translator>"] if tag == "de" else []
        title = [f"<title>{tag}: a talk</title>", f"<description>{tag}</description>"]
        tags = [*head[:2], *translator, head[2], *title, *lines]
        write(directory / f"train.tags.de-en.{tag}", *tags)
        for talk in iwslt14_de_en.TALKS:
            body = f"<mteval><doc><seg id='1'> {talk} {tag} &amp; </seg></doc></mteval>"
            write(directory / f"IWSLT14.{talk}.de-en.{tag}.xml", body)


def test_iwslt14_is_fetched(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    make_iwslt14(tmp_path / "tree" / "de-en")
    (tmp_path / "served").mkdir()
    shutil.make_archive(str(tmp_path / "served/a"), "gztar", tmp_path / "tree")
    monkeypatch.setattr(
        iwslt14_de_en, "URLS", (f"{serve(tmp_path / 'served')}/a.tar.gz",)
    )
    Iwslt14DeEn().prepare(progress=False)
    found = read_all("iwslt14-de-en", "de", "en")
    assert [tuple(pair[1:]) for pair in found["train"]][:3] == [
        ("de: a talk", "en: a talk"),
        ("de", "en"),
        ("de 0", "en 0"),
    ]
    assert all(p.source[2:] == p.target[2:] for p in found["train"])
    assert "de 7" not in {pair.source for pair in found["train"]}
    assert texts(found["validation"]) == [("de 20", "en 20"), ("de 43", "en 43")]
    assert texts(found["test"])[0] == ("TED.dev2010 de &", "TED.dev2010 en &")
    assert len(found["test"]) == 5


def test_iwslt14_as_others_prepare_it(tmp_path: Path):
    place = tmp_path / "iwslt14.tokenized.de-en"
    for stem in ("train", "valid", "test"):
        for tag in ("de", "en"):
            write(place / f"{stem}.{tag}", f"{stem} {tag}")
    assert Iwslt14DeEn().found_in(place)
    assert not Iwslt14DeEn().found_in(tmp_path)
    assert texts(Pairs("de", "en").read(str(place), "validation")) == [
        ("valid de", "valid en")
    ]


@pytest.mark.parametrize("validation", ["validation", "valid", "val", "dev"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_directory_of_aligned_files(tmp_path: Path, validation: str, ending: str):
    for stem, count in (("train", 3), (validation, 2), ("test", 1)):
        for tag in ("en", "de", "fr"):
            lines = [f"{stem} {tag} {i}" for i in range(count)]
            write(tmp_path / f"{stem}.{tag}{ending}", *lines)
    found = read_all(str(tmp_path), "fr", "de")
    assert {role: len(pairs) for role, pairs in found.items()} == {
        "train": 3,
        "validation": 2,
        "test": 1,
    }
    assert found["test"] == [Pair(f"test.fr{ending}:1", "test fr 0", "test de 0")]
    assert Pairs("fr", "de").open(str(tmp_path)).all_roles() == {
        role: role for role in ROLES
    }
    with pytest.raises(
        UserError, match=r"languages 'en' and 'es'; it holds .*test\.de"
    ):
        Pairs("en", "es").read(str(tmp_path), "train")


def test_directory_of_other_formats(tmp_path: Path):
    write(tmp_path / "train.tsv.gz", *(f"s{i}\tt{i}" for i in range(40)))
    row = {"document": "long text", "summary": "short"}
    write(tmp_path / "dev.jsonl", json.dumps(row))
    seg = "<tuv xml:lang='{0}'><seg>{0}</seg></tuv>"
    unit = f"<tu>{seg.format('en')}{seg.format('de')}</tu>"
    write(tmp_path / "test.tmx", f"<tmx><body>{unit}</body></tmx>")
    found = read_all(str(tmp_path))
    assert found["train"][39] == Pair("train.tsv.gz:40", "s39", "t39")
    assert found["validation"] == [Pair("dev.jsonl:1", "long text", "short")]
    assert found["test"] == [Pair("test.tmx:1", "en", "de")]
    with pytest.raises(
        UserError, match="no split 'dev'; it has: test, train, validati"
    ):
        Pairs("en", "de").read(str(tmp_path), "dev")


def test_lone_files(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = write(tmp_path / "all.tsv", *(f"s{i}\tt{i}" for i in range(200)))
    with caplog.at_level(logging.INFO):
        found = read_all(str(path))
    assert {role: len(pairs) for role, pairs in found.items()} == {
        "train": 190,
        "validation": 10,
        "test": 200,
    }
    train, held_out = ({p.name for p in found[r]} for r in ("train", "validation"))
    assert not train & held_out
    assert "10 of the 200 pairs of train are held out" in caplog.text
    again = [pair.name for pair in Pairs("", "").read(str(path), "validation")]
    assert again == [pair.name for pair in found["validation"]]
    places = np.sort([int(name.split(":")[1]) for name in held_out])
    assert places.max() > 100 > places.min()
    splits = Pairs("en", "de").open(str(path)).all_roles()
    assert splits == {
        "train": "all.tsv",
        "validation": "5 % of train, at most 3000 pairs",
    }


def test_at_most_three_thousand_are_held_out(tmp_path: Path):
    lines = (f"s{i}\tt{i}" for i in range(70_000))
    path = str(write(tmp_path / "all.tsv", *lines))
    assert len(Pairs("en", "de").read(path, "validation")) == 3000
    assert len(Pairs("en", "de").read(path, "train")) == 67_000


@pytest.mark.parametrize("name", ["Books.de-en", "Books.de-en.en", "Books.de-en.de.gz"])
def test_two_lone_aligned_files(tmp_path: Path, name: str):
    for tag, ending in (("en", ""), ("de", ".gz")):
        write(tmp_path / f"Books.de-en.{tag}{ending}", f"{tag} 0", f"{tag} 1")
    found = Pairs("en", "de").read(str(tmp_path / name), "test")
    assert texts(found) == [("en 0", "de 0"), ("en 1", "de 1")]


def test_nothing_of_that_kind(tmp_path: Path):
    write(tmp_path / "notes.txt", "x")
    with pytest.raises(UserError, match=r"notes.txt: not a file of pairs.*accepted: "):
        Pairs("en", "de").read(str(tmp_path / "notes.txt"), "train")
    with pytest.raises(
        UserError, match=r"multi3k: neither a file .*the corpora are: demo_"
    ):
        Pairs("en", "de").read("multi3k", "train")
    with pytest.raises(UserError, match=r"it holds notes\.txt; accepted"):
        Pairs("en", "de").read(str(tmp_path), "train")
    one = str(write(tmp_path / "one.tsv", "a\tb"))
    assert len(Pairs("en", "de").read(one, "test")) == 1
    with pytest.raises(UserError, match="1 pairs, too few to hold some out"):
        Pairs("en", "de").read(one, "validation")


def test_real_multi30k(data_dir: Path):
    place = Multi30k().prepare(data_dir / "mt_multi30k", progress=False)
    for source, target in (("en", "de"), ("fr", "cs")):
        read = {r: Pairs(source, target).read(str(place), r) for r in ROLES}
        assert {role: (len(pairs), pairs.blank) for role, pairs in read.items()} == {
            "train": (29_000, 0),
            "validation": (1014, 0),
            "test": (1000, 0),
        }
    pairs = Pairs("en", "de").read(str(place), "test")
    assert pairs[0].source == "A man in an orange hat starring at something."
    assert (
        pairs[0].target == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
    )
