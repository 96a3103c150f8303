"""The words of a piece of HTML, one line a block."""

import re
from html import unescape
from html.parser import HTMLParser

BLOCKS = {
    "p", "div", "br", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "pre",
    "blockquote", "hr",
}  # fmt: skip
UNSHOWN = {"script", "style", "head", "title"}
TAG = re.compile(r"<[^<>]*>")


def text_of(html: str) -> str:
    """What a reader of `html` sees, without the runs of blanks.

    >>> text_of("<div>VPN&nbsp;is <b>down</b><br>since 9</div><style>p {}</style>")
    'VPN is down\\nsince 9'
    """
    reader = _Words()
    try:
        reader.feed(html)
        reader.close()
        text = "".join(reader.words)
    except AssertionError:  # how the parser takes a declaration that it does not know: "<![x["
        text = unescape(TAG.sub(" ", html))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.unshown = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in UNSHOWN:
            self.unshown = self.unshown or tag
        elif tag in BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == self.unshown:
            self.unshown = ""
        elif tag in BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.unshown:
            self.words.append(data.replace("\n", " "))
