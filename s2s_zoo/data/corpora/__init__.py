"""The corpora the zoo can name: where they are, how they are verified and read."""

from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.registry import Registry

CORPORA: Registry[Corpus] = Registry(
    "corpus", "s2s_zoo.data.corpora", "s2s_zoo.corpora"
)
