"""A headless Chromium, driven over its DevTools protocol through two pipes: no driver, no port.

https://chromedevtools.github.io/devtools-protocol/, with `--remote-debugging-pipe`: JSON messages
that end in NUL, to the browser's descriptor 3 and from its 4.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import io
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0
"""Seconds for whatever the page is waited for: other programs may keep the cores busy."""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--mute-audio", "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
)  # fmt: skip
KEYS = {
    "Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), " ": (32, " "),
    "ArrowLeft": (37, ""), "ArrowUp": (38, ""), "ArrowRight": (39, ""), "ArrowDown": (40, ""),
}  # fmt: skip
SHIFT = 8


def find_chromium() -> str | None:
    """The first of the usual names that is on PATH."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One page of a browser of its own. A context manager; at its end all of it is gone.

    Attributes:
        problems: what the page's console, its exceptions and its security policy said.
        requests: every address that was asked for.
    """

    def __init__(self, program: str, width: int = 1200, height: int = 900) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        to_browser, self._write = _pipe()
        self._read, from_browser = _pipe()
        nothing = os.devnull
        self._process = os.posix_spawn(
            program,
            [
                program,
                *FLAGS,
                f"--user-data-dir={self._profile}",
                f"--window-size={width},{height}",
            ],
            {**os.environ, "HOME": self._profile},  # nothing is left anywhere else
            file_actions=[
                (os.POSIX_SPAWN_DUP2, to_browser, 3),
                (os.POSIX_SPAWN_DUP2, from_browser, 4),
                *((os.POSIX_SPAWN_OPEN, standard, nothing, os.O_RDWR, 0) for standard in (0, 1, 2)),
            ],
            setpgroup=0,  # a group of its own, to be ended with all its helpers
        )
        os.close(to_browser)
        os.close(from_browser)
        self._left = b""
        self._number = 0
        self._session: str | None = None
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._loaded = 0
        try:
            self._attach()
        except BaseException:
            self._end()
            raise

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        os.close(self._write)
        os.close(self._read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _message(self) -> dict[str, Any]:
        """The next one; events are noted on the way."""
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._read, 1 << 20)
            assert piece, "the browser has ended"
            self._left += piece
        text, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, what: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.problems.append(str(what["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.problems.append(str(what["args"]))
        elif event == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.problems.append(what["entry"]["text"])
        elif event == "Page.javascriptDialogOpening":
            self.problems.append(f"a dialog: {what['message']}")
        elif event == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif event == "Page.loadEventFired":
            self._loaded += 1

    def open(self, file: Path) -> None:
        """Go to a file, and wait until it is loaded."""
        before = self._loaded
        self.call("Page.navigate", url=file.as_uri())
        while self._loaded == before:
            self._message()

    def resize(self, width: int, height: int) -> None:
        """The size that the page has to show itself in, CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def dark(self, on: bool) -> None:
        """What the page is told about colours."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def js(self, expression: str) -> Any:
        """The value of an expression in the page, waiting for it where it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def until(self, expression: str, holds: Callable[[Any], bool] = bool) -> Any:
        """Wait for an expression to become true, or what `holds` asks of it."""
        end = time.monotonic() + PATIENCE
        while not holds(value := self.js(expression)):
            assert time.monotonic() < end, f"{expression} is still {value}"
            time.sleep(0.02)
        return value

    def click(self, selector: str, shift: bool = False, place: int = 0) -> None:
        """A click of the mouse into the middle of an element, which is brought into view."""
        x, y = self.middle(selector, place)
        for event in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=event, x=x, y=y, button="left", clickCount=1, modifiers=SHIFT if shift else 0,
            )  # fmt: skip

    def middle(self, selector: str, place: int = 0) -> tuple[float, float]:
        """Where an element's middle is."""
        x, y = self.js(
            f"(() => {{ const found = document.querySelectorAll({json.dumps(selector)})[{place}];"
            "found.scrollIntoView({block: 'center', inline: 'center'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        return x, y

    def key(self, name: str, shift: bool = False) -> None:
        """One key, pressed and let go."""
        code, text = KEYS.get(name, (ord(name.upper()[0]), name))
        for event in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=event, key=name, code=name, windowsVirtualKeyCode=code,
                modifiers=SHIFT if shift else 0, **({"text": text} if text else {}),
            )  # fmt: skip

    def type(self, text: str) -> None:
        """Text into the element that has the focus."""
        self.call("Input.insertText", text=text)

    def choose(self, selector: str, value: str, place: int = 0) -> None:
        """An option of a select; headless browsers draw no list to click at."""
        self.js(
            f"(() => {{ const found = document.querySelectorAll({json.dumps(selector)})[{place}];"
            f"found.value = {json.dumps(value)};"
            "found.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def picture(self, selector: str | None = None) -> Image.Image:
        """A screenshot, RGB: of an element, or of what is in view."""
        shot = self.call("Page.captureScreenshot", format="png")
        image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        if selector is None:
            return image
        box = self.js(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })()"
        )
        left, top, right, bottom = map(round, box)
        return image.crop((left, top, right, bottom))


def _pipe() -> tuple[int, int]:
    """With descriptors above those that the browser is given."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
