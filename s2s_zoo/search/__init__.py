"""How outputs are found, over any step function: a search knows no model."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.search.base import Hypothesis, Search, Stepping
    from s2s_zoo.search.ctc_beam import CTCBeam
    from s2s_zoo.search.ctc_greedy import CTCGreedy
    from s2s_zoo.search.frames import FrameSearch
    from s2s_zoo.search.labels import BestLabels
    from s2s_zoo.search.result import SearchResult
    from s2s_zoo.search.samples import SampleSearch
    from s2s_zoo.search.shallow_fusion import Fused
    from s2s_zoo.search.styled_frames import StyledFrameSearch
    from s2s_zoo.search.tokens import TokenSearch

__all__ = [
    "BestLabels",
    "CTCBeam",
    "CTCGreedy",
    "FrameSearch",
    "Fused",
    "Hypothesis",
    "SampleSearch",
    "Search",
    "SearchResult",
    "Stepping",
    "StyledFrameSearch",
    "TokenSearch",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".base": ("Hypothesis", "Search", "Stepping"),
        ".ctc_beam": ("CTCBeam",),
        ".ctc_greedy": ("CTCGreedy",),
        ".labels": ("BestLabels",),
        ".frames": ("FrameSearch",),
        ".result": ("SearchResult",),
        ".samples": ("SampleSearch",),
        ".shallow_fusion": ("Fused",),
        ".styled_frames": ("StyledFrameSearch",),
        ".tokens": ("TokenSearch",),
    },
)
