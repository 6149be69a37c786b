"""A page that stands alone: read by a parser that forgives nothing."""

import re
from collections.abc import Collection
from html.parser import HTMLParser

_VOID = {"meta", "br"}
_SHAPES = {"rect", "line", "circle", "polyline"}
_LEADS_OUT = {"src", "href", "xlink:href", "action", "data", "srcset", "poster", "background"}
_REFUSED = {"script", "link", "iframe", "object", "embed", "img", "base", "form"}


class _Reader(HTMLParser):
    def __init__(self, beside: Collection[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.beside = beside
        self.open: list[str] = []
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        assert tag not in _REFUSED, tag
        for name, value in attrs:
            within = name == "href" and ((value or "")[:1] == "#" or value in self.beside)
            assert within or name not in _LEADS_OUT, f"{name} of <{tag}>"
            assert not name.startswith("on"), f"{name} of <{tag}>"
            assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]*", name), f"{name!r} of <{tag}>"
            assert "url(" not in (value or ""), f"{name} of <{tag}>"
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _SHAPES, f"<{tag}/>"
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes what was opened before"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            assert not re.search(r"url\(|@import|https?:|//", data), "style leads out"
        else:
            self.texts.append(data)


def read_page(page: str, beside: Collection[str] = ()) -> tuple[str, list[str]]:
    """Return a page's text, blanks as one, and its tags; refuse one that does not stand alone.

    Parameters
    ----------
    beside
        Files that it may lead to, and does.
    """
    assert all(f'href="{each}"' in page for each in beside)
    reader = _Reader(beside)
    reader.feed(page)
    reader.close()
    assert not reader.open, f"not closed: {reader.open}"
    assert page.startswith("<!doctype html>")
    assert reader.tags.count("html") == reader.tags.count("body") == 1
    return " ".join(" ".join(reader.texts).split()), reader.tags
