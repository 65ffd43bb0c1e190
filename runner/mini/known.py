"""The vocabulary of trained weights, kept beside them in `vocabulary.json`: unknown words of a
prompt are those of these weights, whatever today's training code would teach.
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
    """What weights were trained on: words of the captions, in lower case, Chinese ones apart; the
    captions' languages; the largest number of objects in a scene; held-out combinations.
    """

    words: frozenset[str]
    chinese: frozenset[str]
    languages: tuple[str, ...]
    most_objects: int
    held_out: tuple[Combination, ...]

    def unknown_words(self, prompt: str) -> list[str]:
        """Words of `prompt` that no caption had: in order, lower-cased, each once.

        Chinese has no spaces: there it is what remains when known words cover as much as possible.
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
        # For each prefix of the text: the fewest unknown characters, and the prefix with spaces in
        # place of known ones.
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
        """Write it beside the weights."""
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
    """Read the vocabulary of the weights in `folder`."""
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
