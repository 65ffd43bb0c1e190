"""The page's HTML: data that stays data, and a policy that allows its own files only."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from helpers.made_sweeps import HOSTILE
from runner.analysis.report import page

BEFORE, AFTER = "window.kandinskyReport = ", ";\n"


class Parsed(HTMLParser):
    """Elements with their attributes, and the texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in self.texts:
            self.texts[self._within][-1] += data

    def policy(self) -> dict[str, list[str]]:
        (content,) = (
            attributes["content"]
            for tag, attributes in self.elements
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        )
        assert content is not None
        return {part.split()[0]: part.split()[1:] for part in content.split(";")}


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("text", [HOSTILE, "\ud800", "<!--", "]]>", "\\", "\0\x7f", "圆 круг"])
def test_data_is_json_that_ends_no_script(text: str) -> None:
    data = {text: [text, {"in": text}]}
    script = page.data_script(data)
    assert script.isascii()
    assert not set("<>&") & set(script)
    assert json.loads(script.removeprefix(BEFORE).removesuffix(AFTER)) == data


def test_numbers_that_json_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page.data_script(float("nan"))


def test_the_policy_allows_the_scripts_and_the_style_that_are_there() -> None:
    data = page.data_script({"name": HOSTILE})
    for text, inline in ((page.page_with_files("t"), 1), (page.page_alone("t", data), 2)):
        parsed = Parsed(text)
        policy = parsed.policy()
        assert policy["default-src"] == ["'none'"]
        assert policy["style-src"] == [hashed(style) for style in parsed.texts["style"]]
        scripts = [script for script in parsed.texts["script"] if script]
        assert len(scripts) == inline
        hashes = [word for word in policy["script-src"] if word.startswith("'sha256")]
        assert sorted(hashes) == sorted(map(hashed, scripts))
        assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & {
            w for p in policy.values() for w in p
        }
        assert not re.search("https?:", " ".join(w for p in policy.values() for w in p))


def test_only_the_page_with_files_may_read_files() -> None:
    data = page.data_script({})
    assert "file:" in Parsed(page.page_with_files("t")).policy()["img-src"]
    assert Parsed(page.page_alone("t", data)).policy()["img-src"] == ["data:"]


def test_no_address_but_its_own_files_is_in_it() -> None:
    parsed = Parsed(page.page_with_files("t"))
    addresses = [a.get("src") or a.get("href") for _, a in parsed.elements]
    assert {address for address in addresses if address} == {"data.js", "data:,", "#pictures"}
    for text in (*parsed.texts["script"], *parsed.texts["style"]):
        assert set(re.findall(r"\w+://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}


def test_markup_has_no_styles_and_no_handlers_that_the_policy_would_block() -> None:
    for tag, attributes in Parsed(page.page_with_files("t")).elements:
        found = [name for name in attributes if name == "style" or name.startswith("on")]
        assert not found, (tag, found)


def test_scripts_make_no_markup_of_texts() -> None:
    for name in page.SCRIPTS:
        text = (page.STATIC / f"{name}.js").read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text
        )


def test_each_file_is_part_of_the_page() -> None:
    assert {file.stem for file in page.STATIC.glob("*.js")} == set(page.SCRIPTS)
    assert {file.stem for file in page.STATIC.glob("*.css")} == set(page.STYLES)


@pytest.mark.parametrize(
    "title", [HOSTILE, "</title><script>alert(1)</script>", "{{script}} {{data}}"]
)
def test_the_title_is_a_text(title: str) -> None:
    plain = Parsed(page.page_with_files("t"))
    parsed = Parsed(page.page_with_files(title))
    assert parsed.texts["title"] == [title]
    assert [tag for tag, _ in parsed.elements] == [tag for tag, _ in plain.elements]


def test_a_title_with_half_a_character_can_be_written() -> None:
    assert page.page_with_files("a\ud800b").encode("utf-8")


def test_a_data_uri_holds_the_bytes() -> None:
    assert page.data_uri("image/png", b"\x00\xff<") == "data:image/png;base64,AP88"
