"""The page as HTML. Users' texts go in as JSON that HTML and JavaScript read alike.

Styles and scripts are files beside this one. The page's Content-Security-Policy names them by
their hashes and allows nothing else: no network, no other script, no style in markup, and no
text that becomes markup (Trusted Types).
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
SCRIPTS = (
    "elements", "grid", "viewer", "compare_two", "table", "axes", "spread", "plots",
    "cost_plot", "line_plot", "comparison", "within", "votes", "head", "address",
    "live", "start",
)  # fmt: skip
"""Parts of the page's script, in order; joined they are one function."""

STYLES = ("page", "viewer")

DATA_FILE = "data.js"
GENERATOR = '<meta name="generator" content="kandinsky report">'
"""In every page, so that nothing but an earlier page is ever replaced."""

_HOLE = re.compile(r"\{\{(\w+)\}\}")
_FOR_SCRIPTS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def data_script(data: object) -> str:
    """The script that gives the page its data.

    ASCII: so it has no U+2028 and U+2029 (line ends in older JavaScript) and is the same in every
    encoding. Nothing in it can end a script element or begin one.
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"window.kandinskyReport = {text.translate(_FOR_SCRIPTS)};\n"


def page_with_files(title: str) -> str:
    """The page of a folder, with `data.js` and its pictures beside it."""
    beside = "'self' file:"
    return _page(title, f'<script src="{DATA_FILE}"></script>', [], beside)


def page_alone(title: str, data: str) -> str:
    """The page as one file.

    Args:
        data: see `data_script`; its pictures are data URIs.
    """
    return _page(title, f"<script>{data}</script>", [data], "")


def page_served(title: str) -> str:
    """The page as `kandinsky view` serves it: it asks its server for news."""
    return _page(title, f'<script src="{DATA_FILE}"></script>', [], "'self'", "'self'")


def data_uri(kind: str, content: bytes) -> str:
    """A file within a page; `kind`: its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _page(title: str, data: str, scripts: list[str], beside: str, asked: str = "'none'") -> str:
    style = "\n".join(_static(f"{name}.css") for name in STYLES)
    script = _script()
    hashes = " ".join(_hash(text) for text in [*scripts, script])
    policy = "; ".join(
        " ".join(part.split())
        for part in (
            "default-src 'none'",
            f"script-src {beside} {hashes}",
            f"style-src {_hash(style)}",
            f"img-src {beside} data:",
            f"connect-src {asked}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )
    parts = {
        "generator": GENERATOR,
        "policy": policy,
        "title": html.escape(title.encode("utf-8", "replace").decode()),
        "style": style,
        "data": data,
        "script": script,
    }
    # All placeholders at once: text put into one is not searched for others.
    return _HOLE.sub(lambda hole: parts[hole.group(1)], _static("page.html"))


def _script() -> str:
    parts = "\n".join(_static(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
