"""A page taken apart: which tags, attributes and styles it has, and whether any could load or run something."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "input", "link", "wbr"}
TAGS = frozenset(
    """
    html head meta title style body main header section h1 h2 h3 p b ul li div span i dl dt dd code
    table thead tbody tr th td figure svg g rect line circle path polyline polygon text wbr
    """.split()  # noqa: SIM905
)
ATTRIBUTES = frozenset(
    """
    lang charset http-equiv content name class style colspan scope role aria-label aria-hidden viewbox transform
    x y x1 y1 x2 y2 cx cy r rx width height d points text-anchor fill-opacity data-label
    """.split()  # noqa: SIM905
)
LOADS = re.compile(r"url\s*\(|@import|expression\s*\(|image-set|src\s*:", re.IGNORECASE)


class Structure(HTMLParser):
    """Collects tags, attributes, styles and text, and complains about tags that do not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.styles: list[str] = []
        self.text: list[str] = []
        self.metas: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles if self.open[-1:] == ["style"] else self.text).append(data)

    def _take(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.styles += [value or "" for name, value in attrs if name == "style"]
        if tag == "meta":
            self.metas.append(dict(attrs))


def refuse_what_loads_or_runs(page: Structure) -> None:
    """Assert that a page has no tag, attribute or style by which a browser would load or run anything."""
    assert set(page.tags) <= TAGS
    assert page.attributes <= ATTRIBUTES
    assert not [style for style in page.styles if LOADS.search(style)]
    equivalents = {
        meta["http-equiv"]: meta["content"] for meta in page.metas if "http-equiv" in meta
    }
    assert equivalents == {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"
    }
