"""Prompts that are longer than an encoder reads: told, recorded, and drawn as diffusers does."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import diffusers
import numpy as np
import pytest
import transformers

from functional.asked import Ask, Pictures, opened, pixels
from functional.direct import Direct
from functional.made import Made

SENTENCE = "a red circle on the left and a blue square on the right, with the sun and "
READ = {
    "2_0": {("text", "the first text encoder"): 77, ("text", "the second text encoder"): 77},
    "2_1": {("prior", None): 77, ("decoder", None): 77},
    "2_2": {("prior", None): 77},
    "3": {("text", None): 128},
}


@pytest.fixture
def said_by_libraries(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What diffusers and transformers log."""
    said = io.StringIO()
    for library in (diffusers, transformers):
        for handler in library.utils.logging.get_logger(library.__name__).handlers:
            if type(handler) is logging.StreamHandler:  # the library's own, not pytest's
                monkeypatch.setattr(handler, "stream", said)
    return said


@pytest.mark.parametrize("version", READ)
def test_what_is_cut_is_told_and_recorded(
    version: str,
    direct: Direct,
    random_kandinsky: Callable[..., int],
    pictures: Callable[[Ask], Pictures],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    said_by_libraries: io.StringIO,
) -> None:
    ask = Ask(version, "text2img", width=64, prompt=SENTENCE * 9 + "a dog")
    assert random_kandinsky(*ask.overrides(pictures(ask)), "negative_prompt=a cat") == 0
    err = capsys.readouterr().err
    made = Made(tmp_path / "outputs")
    cuts = made.manifest["cut_texts"]
    assert {(cut["role"], cut.get("reader")): cut["kept"] for cut in cuts} == READ[version]
    for cut in cuts:
        assert cut["text"] == ask.prompt
        assert cut["tokens"] > cut["kept"]
        assert ask.prompt.endswith(cut["lost"])
        assert f"reads {cut['kept']} tokens of a text, and " in err
        assert f" has {cut['tokens']}: its end, " in err
    assert not said_by_libraries.getvalue()
    # What is said to be lost is lost: without it the pixels are the same.
    read = max((ask.prompt.removesuffix(cut["lost"]).strip() for cut in cuts), key=len)
    shorter = Ask(version, "text2img", width=64, prompt=read, negative="a cat")
    expected = direct.draw(shorter, pictures(shorter))
    assert np.array_equal(pixels(opened(made.files[0])), expected)


def test_a_text_that_fits_leaves_no_word_of_it(
    random_kandinsky: Callable[..., int], pictures: Callable[[Ask], Pictures], tmp_path: Path
) -> None:
    ask = Ask("2_1", "text2img", width=64)
    assert random_kandinsky(*ask.overrides(pictures(ask))) == 0
    assert "cut_texts" not in Made(tmp_path / "outputs").manifest
