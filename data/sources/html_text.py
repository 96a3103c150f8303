"""The words of a piece of HTML, one line a block.

The standard library's parser takes minutes for what anybody may write into a ticket ("<a " sixty
thousand times), so tags are found here by one pattern that goes through the text once.
"""

import re
from html import unescape

BLOCKS = {
    "p", "div", "br", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "pre",
    "blockquote", "hr",
}  # fmt: skip
UNSHOWN = {"script", "style", "head", "title"}
COMMENT = "<!--"
MARK = re.compile(r"<!--|-->|<(?P<end>/?)(?P<tag>[a-zA-Z][a-zA-Z0-9]*+)[^<>]*+>|<[!?/][^<>]*+>")


def text_of(html: str) -> str:
    """What a reader of `html` sees, without the runs of blanks.

    >>> text_of("<div>VPN&nbsp;is <b>down</b><br>since 9 &lt; 10</div><style>p {}</style>")
    'VPN is down\\nsince 9 < 10'
    >>> text_of("if a < b <!-- <p>old</p> --> then"), text_of("<p>shown<script>never closed")
    ('if a < b then', 'shown')
    """
    words, at, within = [], 0, ""
    for mark in MARK.finditer(html):
        if not within:
            words.append(html[at : mark.start()].replace("\n", " "))
        at, tag = mark.end(), (mark["tag"] or "").lower()
        if within == COMMENT:
            within = "" if mark[0].endswith("-->") else COMMENT
        elif within:
            within = "" if mark["end"] and tag == within else within
        elif mark[0] == COMMENT or (tag in UNSHOWN and not mark["end"]):
            within = tag or COMMENT
        elif tag in BLOCKS:
            words.append("\n")
        elif mark[0] == "-->":
            words.append(mark[0])
    if not within:
        words.append(html[at:].replace("\n", " "))
    lines = (" ".join(unescape(line).split()) for line in "".join(words).split("\n"))
    return "\n".join(line for line in lines if line)
