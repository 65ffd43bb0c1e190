"""`kandinsky view`: the page of a sweep, which fills while the sweep runs."""

from __future__ import annotations

from runner.verbs.folders import NEWEST, add_folder
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """Serve the page on loopback until Ctrl-C."""
    options = parser().parse_args(arguments)
    # Imported here: --help needs no Pillow.
    from runner.analysis.live.feed import Feed
    from runner.analysis.live.site import ViewSite
    from runner.system.loopback import LoopbackServer
    from runner.verbs.serving import serve

    folder = options.folder or NEWEST
    feed = Feed(folder.resolve() if folder.exists() else folder.absolute())
    feed.news()  # what is wrong with the folder is told before anything is served
    server = LoopbackServer(ViewSite(feed), options.port)
    serve(server, is_opened=options.open)
    return 0


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky view",
        description="The page of `kandinsky report`, served on this machine while the sweep runs: "
        "pictures come as they are made, with what is running, failing and left. Ctrl-C ends it; "
        "`kandinsky report` makes a page to keep and to share.",
    )
    add_folder(made, "a sweep or a run")
    made.add_argument("--port", type=int, default=0, help="of the page (default: a free one)")
    made.add_argument("--open", action="store_true", help="in a browser")
    return made
