"""Ce qui vient aussi sans sa cause ne prouve rien : un départ annoncé de qui est encore là."""

import re
from collections.abc import Sequence

from grader.learning.dialect import UUID
from grader.learning.wire import Frame, mentions, text_of

CLOCK = re.compile(r"\d+[:h]\d+(?:[:m]\d+)?|\d+[-/]\d+[-/]\d+|\d{10,}(?:\.\d+)?")


def told(frame: Frame) -> str:
    """Ce que dit un message, quels qu'en soient l'heure et l'identifiant."""
    return CLOCK.sub("", UUID.sub("", text_of(frame))).casefold()


def unheard(frames: Sequence[Frame], heard: Sequence[Frame]) -> list[Frame]:
    """Ceux de ces messages qui ne sont pas aussi parmi ceux-là."""
    known = set(map(told, heard))
    return [frame for frame in frames if told(frame) not in known]


def only_of(name: str, other: str, frames: Sequence[Frame], heard: Sequence[Frame]) -> list[Frame]:
    """Ceux qui ne disent pas de `name` ce que l'on entend dire aussi, mot pour mot, de `other`."""
    known = set(map(told, heard))
    return [
        frame
        for frame in frames
        if not mentions(frame, name) or told(frame).replace(name, other) not in known
    ]
