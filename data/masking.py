"""Personal data and secrets out of a text, before anybody stores it.

Each kind has its cheap hint, so that a text without any costs a few substring searches. Every
pattern runs in linear time: a run of characters is entered at its first one only (lookbehind) and
not tried again in parts (`++`), or its length is bounded.
"""

import hashlib
import hmac
import re

from data.masking_digits import mask_digits

PASSES = 16  # a replacement may lay a neighbour bare; what people write is settled by the second

EMAIL = re.compile(
    r"(?<![\w.+%'-])[\w.+%'-]++@(?!\d+\.\d)(?:[\w-]+\.)+[^\W\d_]{2,}"  # lodash@4.17.2: a version
)
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
KEY_LINE = re.compile(  # of a private key that lost its first line, as in a row of a torn file
    r"(?m)^(?=[a-z0-9+/]*+[A-Z])(?=[A-Z0-9+/]*+[a-z])(?=[A-Za-z+/]*+[0-9])[A-Za-z0-9+/]{60,76}+\r?$"
)
URL_LOGIN = re.compile(r"(?<=://)[^\s:/@<>]*+:[^\s/?#<>]{1,200}@(?=[\w\[])")
TOKEN = re.compile(
    r"(?<![\w-])(?:"
    r"eyJ[\w-]{5,}+\.[\w-]{5,}+(?:\.[\w-]++)?"  # JSON web token
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"  # Amazon
    r"|gh[opsru]_[0-9A-Za-z]{20,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+"
    r"|xox[a-z]-[\w-]{10,}+|xapp-[\w-]{10,}+"  # Slack
    r"|sk-(?=[a-zA-Z_-]*+\d)[\w-]{16,}+|[spr]k_(?:live|test)_\w{8,}+"  # OpenAI, Stripe
    r"|AIza[\w-]{30,}+|ya29\.[\w-]{20,}+"  # Google
    r"|npm_[0-9A-Za-z]{30,}+|hf_[0-9A-Za-z]{30,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+"
    r")"
)
TOKEN_HINTS = (
    *("eyJ", "AKIA", "ASIA", "gh", "glpat-", "xox", "xapp-", "sk-", "k_live_", "k_test_"),
    *("AIza", "ya29.", "npm_", "hf_", "SG."),
)

MIXED = r"(?=[a-z+/_.~-]*+\d)(?=[\d+/_.~-]*+[a-z])"  # a letter and a digit
QUOTE = r"(?:\\?[\"'])?+"
EQUALS = rf"{QUOTE}\s{{0,3}}+(?::=|[=-]>|[:=])\s{{0,3}}+{QUOTE}"
NAMED = (
    r"(?:(?:api|access|auth|bot|client|id|private|refresh|secret|session|shared)[ _-]?"
    r"(?:key|token|secret)|secret)"
)
BEARER = re.compile(
    r"(?i)(?<![a-z])(bearer\s{1,3}+|authorization: {0,3}+(?:basic|token) {1,3}+)"
    r"(?:(?=[a-z+/.~-]*+[\d_=])[\w+/.~-]{8,}+=*+|[a-z]{24,}+)"
)
SECRET = re.compile(
    rf"(?i)(?<![a-z])({NAMED}(?:{EQUALS}| is ){MIXED}(?=[\w+/.~-]{{8}})"
    rf"|(?:key|token)s?+(?:{EQUALS}| is ){MIXED}(?=[\w+/.~-]{{16}})"
    rf"|(?:{NAMED}|key|token) {MIXED}(?=[0-9a-z+/_]{{20}}))"
    r"(?![a-z][a-z0-9_]*+-\d++(?![\w+/~-]))"  # key: SERVICEDESK-12345 is a ticket
    r"[\w+/.~-]++=*+"
)

TAG = r"</?(?:b|br|br ?/|div|em|font|i|p|pre|code|span|strong|td|th|tr|u)>"
GAP = rf"(?:\s|{TAG}|&nbsp;){{0,4}}+"
PROSE = (
    r"(?:a|about|all|also|always|an|and|any|are|as|at|because|been|being|but|by|can|can't|cannot"
    r"|case-sensitive|correct|could|different|does|due|empty|error|fine|for|forgot|forgotten|from"
    r"|gone|good|hard|has|have|help|hidden|how|i|i'm|if|impossible|in|incorrect|invalid|is|it|known"
    r"|like|lost|missing|my|n/a|need|needs|never|new|no|none|not|now|of|off|ok|okay|old|on|one|only"
    r"|or|out|outdated|please|policy|public|really|reset|right|same|secure|see|set|shown|so|some"
    r"|still|stolen|strong|stuck|such|temporary|that|the|their|then|there|this|to|too|unable|under"
    r"|unknown|up|valid|very|wait|weak|what|when|where|which|who|why|will|with|without|wrong|yes"
    r"|you|your|[a-z]+(?:ed|ing))(?=[\s.,;:!?)]|\Z)"
)
PASSWORD = re.compile(
    r"(?i)(?<![a-z])((?:(?:pass(?:word|wort|code|phrase|wd)?|pwd?|pswd|kennwort|contraseña|senha"
    rf"|mot de passe){QUOTE}{GAP}(?::=|[=-]>|[:=]){GAP}"
    r"|(?:pass(?:word|wort|code|phrase|wd)|pwd?|pswd|kennwort|contraseña|senha|mot de passe)"
    r"(?: (?:is|was|ist|war|est|es) (?:(?:now|still|currently|just) )?"
    r"|(?: is)?(?: (?:set|changed))? to (?=\S*\d)"
    r"| (?=\S*[a-z])(?=\S*\d)(?=\S*[!#$%&*?@^]))))"
    r"(?!<(?:email|phone|card|iban|secret)>)(?=[^\s\w]{0,9}\w)"
    rf"(?!{PROSE})(?:\"[^\"\n]{{1,200}}\"|'[^'\n]{{1,200}}'|(?:(?!</?[a-z]{{1,8}}[ />])\S)++)"
)
PASSWORD_HINTS = ("pass", "pw", "pswd", "kennwort", "contraseña", "senha")
PIN = re.compile(
    r"(?i)(?<![a-z])((?:pin|otp|cvv|cvc|passcode|(?:access|security|verification) code)"
    r"(?: code| number)?(?: is |\s{0,2}[:=]\s{0,2}))\d{3,8}(?!\w)"
)
PIN_HINTS = ("pin", "otp", "cv", "code")


def mask(text: str) -> str:
    """`text` with <email>, <phone>, <card>, <iban> and <secret> in place of what they name.

    Secrets are keys, tokens and passwords. Masking twice changes nothing.

    >>> mask("Ring +49 30 1234567 or write to ada@example.com, INC0012345 of 2026-01-05")
    'Ring <phone> or write to <email>, INC0012345 of 2026-01-05'
    >>> mask("my password is hunter2, and card 4111 1111 1111 1111 was refused")
    'my password is <secret> and card <card> was refused'
    >>> mask("my password is expired")
    'my password is expired'
    """
    for _ in range(PASSES):
        masked = mask_digits(_mask_emails(_mask_secrets(text)))
        if masked == text:
            break
        text = masked
    return text


def pseudonym(key: str, name: str) -> str:
    """A name's keyed hash: tells people apart without naming them.

    >>> pseudonym("key", " Ada@Example.com") == pseudonym("key", "ada@example.com")
    True
    """
    digest = hmac.new(key.encode(), name.strip().casefold().encode(), hashlib.sha256)
    return digest.hexdigest()[:32]


def _mask_emails(text: str) -> str:
    return EMAIL.sub("<email>", text) if "@" in text else text


def _mask_secrets(text: str) -> str:
    lower = text.lower()
    if "private key" in lower:
        text = PRIVATE_KEY.sub("<secret>", text)
    if len(text) >= 60:
        text = KEY_LINE.sub("<secret>", text)
    if _any_in(PASSWORD_HINTS, lower):
        text = PASSWORD.sub(r"\1<secret>", text)
    if _any_in(PIN_HINTS, lower):
        text = PIN.sub(r"\1<secret>", text)
    if "://" in text:
        text = URL_LOGIN.sub("<secret>@", text)
    return _mask_tokens(text, lower)


def _mask_tokens(text: str, lower: str) -> str:
    if _any_in(TOKEN_HINTS, text):
        text = TOKEN.sub("<secret>", text)
    if "bearer" in lower or "authorization" in lower:
        text = BEARER.sub(r"\1<secret>", text)
    if _any_in(("key", "token", "secret"), lower):
        text = SECRET.sub(r"\1<secret>", text)
    return text


def _any_in(hints: tuple[str, ...], text: str) -> bool:
    return any(hint in text for hint in hints)
