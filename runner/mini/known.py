"""What trained weights know, kept beside them in `vocabulary.json`: a prompt's unknown words are
those of the weights at hand, whatever the code next to them would train today.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from runner.mini.vocabulary import Combination

FILE = "vocabulary.json"


@dataclass(frozen=True)
class Known:
    """Of trained weights: the words of their captions, in lower case, Chinese ones apart; the
    languages of these; how many objects a scene had at most; and what was held out.
    """

    words: frozenset[str]
    chinese: frozenset[str]
    languages: tuple[str, ...]
    most_objects: int
    held_out: tuple[Combination, ...]

    def unknown_words(self, prompt: str) -> list[str]:
        """Words of `prompt` that no caption had: in order, lower-cased, each once.

        Of Chinese, which writes no spaces, what is left when as much as can be is known words.
        """
        unknown = []
        for word in re.findall(r"[^\W_]+", prompt.lower()):
            if any(map(is_chinese, word)):
                unknown += self._unknown_runs(word)
            elif word not in self.words:
                unknown.append(word)
        return list(dict.fromkeys(unknown))

    def _unknown_runs(self, text: str) -> list[str]:
        longest = max(map(len, self.chinese), default=0)
        # Of each beginning of the text: the fewest unknown characters, and itself with spaces for
        # the known ones.
        best = [(0, "")]
        for end in range(1, len(text) + 1):
            unknown, shown = best[-1]
            found = [(unknown + 1, shown + text[end - 1])]
            for length in range(1, min(longest, end) + 1):
                if text[end - length : end] in self.chinese:
                    unknown, shown = best[end - length]
                    found.append((unknown, shown + " " * length))
            best.append(min(found, key=lambda one: one[0]))
        return [run for run in best[-1][1].split() if run not in self.words]

    def write(self, folder: Path) -> None:
        """Keep it beside the weights."""
        content = {
            "words": sorted(self.words),
            "chinese": sorted(self.chinese),
            "languages": self.languages,
            "most_objects": self.most_objects,
            "held_out": self.held_out,
        }
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_known(folder: Path) -> Known:
    """What the weights in `folder` know."""
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Known(
        words=frozenset(content["words"]),
        chinese=frozenset(content["chinese"]),
        languages=tuple(content["languages"]),
        most_objects=content["most_objects"],
        held_out=tuple(Combination(*words) for words in content["held_out"]),
    )


def is_chinese(character: str) -> bool:
    """Whether it is one of the common CJK ideographs."""
    return "\u4e00" <= character <= "\u9fff"
