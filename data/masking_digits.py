"""Card, account and phone numbers, told apart from ticket numbers, dates, addresses and amounts."""

import re

MANY_DIGITS = re.compile(r"[0-9](?:[ ()./\u00a0-]{0,3}[0-9]){6}")

DIGIT_GROUPS = re.compile(r"(?<![\w+])(?<![0-9]\.)[0-9]++(?:[ \u00a0-][0-9]++)*+")
CARD = re.compile(  # what the issuers' ranges allow; Luhn alone passes a tenth of all numbers
    r"4[0-9]{12}(?:[0-9]{3}){0,2}"
    r"|(?:5[1-5]|2[2-7])[0-9]{14}"
    r"|3[47][0-9]{13}|3[0689][0-9]{12}|35[0-9]{14}"
    r"|6[0-9]{15,18}|5[0678][0-9]{14,17}"
)

IBAN = re.compile(
    r"(?i)(?<![a-z0-9])[a-z]{2}[0-9]{2}(?:[ \u00a0-]?[a-z0-9]{4}){2,7}"
    r"(?:[ \u00a0-]?[a-z0-9]{1,3})?(?![a-z0-9])"
)
FEWEST, MOST = 15, 34  # letters and digits of an IBAN (ISO 13616), Norway's the shortest

GAP = r"[ ()./\u00a0-]{0,3}"
START = r"(?<![\w.,:+/-])"
AREA = r"(?:\(0[1-9][0-9]{0,4}\)|0[1-9][0-9]{0,4})"
INTERNATIONAL = re.compile(
    r"(?<![\w+])\+(?![0-9]{1,3}\.[0-9]{3,8}(?![0-9]|[ ()/-][0-9]))"  # +52.520008: a latitude
    rf"[1-9](?:{GAP}[0-9]){{7,14}}(?:\+[1-9](?:{GAP}[0-9]){{7,14}})*(?![0-9]|,[0-9])"
    rf"|{START}00[1-9](?=[0-9]{{9}}|[0-9]{{0,4}}[ (/-])(?:{GAP}[0-9]){{7,13}}(?![0-9])"
)
ANY_NUMBER = re.compile(rf"(?<![\w+])\(?[0-9](?:{GAP}[0-9]){{6,14}}(?![0-9])")
PHONE_OF = re.compile(
    r"(?i)(?<![a-z])(?:phone|telephone|telefon|tel|mobile?|cell|handy|fax|whatsapp|sms"
    r"|(?:call|ring|text|reach) (?:me|us)|call ?back|rückruf)"
    r"(?: ?(?:number|nummer|no|nr|num))?[.:]{0,2}\s{0,3}(?:is |at |on |under |= ?|: ?)?\Z"
)
NATIONAL = re.compile(rf"{START}(?:{AREA}(?:[ /\u00a0-]{{1,3}}[0-9]{{2,8}}){{1,6}}(?![0-9]))")
PAIRS = re.compile(rf"{START}0[1-9]([ .-])[0-9]{{2}}(?:\1[0-9]{{2}}){{3}}(?!\w|[.,:/-][0-9])")
COMPACT = re.compile(rf"{START}0[1-9][0-9]{{8,10}}(?!\w|[.,:/-][0-9])")
AMERICAN = re.compile(
    rf"{START}(?:1[ .-])?(?:\([2-9][0-9]{{2}}\)[ -]?[0-9]{{3}}[ .-]?"
    r"|[2-9][0-9]{2}([ .-])[0-9]{3}\1)[0-9]{4}(?!\w|[.,:/-][0-9])"
)

DATE = re.compile(
    r"(?<![0-9])(?:[0-9]{1,2}([ ./-])[0-9]{1,2}\1(?:19|20)?[0-9]{2}"
    r"|(?:19|20)[0-9]{2}([ ./-])[0-9]{1,2}\2[0-9]{1,2})(?![0-9])"
)
FIRST_GROUP = re.compile("[^0-9]*[0-9]+")
FOUR_PARTS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z")
NUMBER_OF = re.compile(
    r"(?i)(?:#|(?<![a-z])(?:account|article|artikel|asset|auftrag|bestell|case|contract|customer"
    r"|device|ean|id|imei|inc|incident|inventory|invoice|isbn|item|konto|kunden?|order|part|po"
    r"|product|rechnungs?|ref|reference|req|request|serial|serien|sn|s/n|ticket|tracking|vorgangs?)"
    r"s?(?:[ -]?(?:number|nummer|no|nr|id|code))?[.:#]{0,2}\s{0,2})\Z"
)
BEFORE = 32  # characters in which the word that names a number is looked for


def mask_digits(text: str) -> str:
    """`text` with card, account (IBAN) and phone numbers replaced.

    >>> mask_digits("Tel. 030/1234567, order 234-567-8901 from 10.20.30.40")
    'Tel. <phone>, order 234-567-8901 from 10.20.30.40'
    >>> mask_digits("refund to GB29 NWBK 6016 1331 9268 19 please")
    'refund to <iban> please'
    """
    if not MANY_DIGITS.search(text):
        return text
    text = IBAN.sub(_mask_iban, text)
    text = DIGIT_GROUPS.sub(_mask_cards, text)
    text = INTERNATIONAL.sub("<phone>", text)
    text = ANY_NUMBER.sub(_mask_named, text)
    for pattern in (PAIRS, NATIONAL, COMPACT, AMERICAN):
        text = pattern.sub(_mask_unnamed, text)
    return text


def _mask_iban(match: re.Match[str]) -> str:
    """Mask the longest start, up to a gap, that is an account; a word may follow it."""
    run = match.group()
    ends = [len(run), *(gap.start() for gap in reversed([*re.finditer("[ \u00a0-]", run)]))]
    end = next((end for end in ends if _is_iban(re.sub("[ \u00a0-]", "", run[:end]))), None)
    return run if end is None else "<iban>" + run[end:]


def _is_iban(text: str) -> bool:
    """Whether the check digits are those that ISO 7064 (mod 97) wants.

    >>> _is_iban("GB29NWBK60161331926819"), _is_iban("GB29NWBK60161331926818")
    (True, False)
    """
    if not FEWEST <= len(text) <= MOST:
        return False
    return int("".join(str(int(one, 36)) for one in text[4:] + text[:4])) % 97 == 1


def _mask_cards(match: re.Match[str]) -> str:
    """Mask each stretch of whole groups of digits that is a card number."""
    run = match.group()
    if len(run) < 13:
        return run
    groups = [(group.start(), group.end()) for group in re.finditer("[0-9]+", run)]
    masked, done, first = [], 0, 0
    while first < len(groups):
        may_begin = run[groups[first][0]] in "23456"
        last = _card_end(run, groups, first) if may_begin else None
        if last is not None:
            masked += [run[done : groups[first][0]], "<card>"]
            done, first = groups[last][1], last
        first += 1
    return "".join([*masked, run[done:]])


def _card_end(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card number that begins with group `first`."""
    digits, found = "", None
    for last in range(first, len(groups)):
        digits += run[slice(*groups[last])]
        if len(digits) > 19:
            break
        if CARD.fullmatch(digits) and luhn(digits):
            found = last
    return found


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit that Luhn's formula (ISO/IEC 7812-1) wants.

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _mask_named(match: re.Match[str]) -> str:
    number = match.group()
    named = PHONE_OF.search(_before(match))
    end = _phone_end(number, fewest=7, most=15) if named else None
    return number if end is None else "<phone>" + number[end:]


def _mask_unnamed(match: re.Match[str]) -> str:
    """Mask what starts like a phone number, and look for more in what follows it."""
    number = match.group()
    if NUMBER_OF.search(_before(match)):
        return number
    end = _phone_end(number, fewest=9, most=12)
    if end is None:
        first = FIRST_GROUP.match(number).end()
        return number[:first] + match.re.sub(_mask_unnamed, number[first:])
    return "<phone>" + match.re.sub(_mask_unnamed, number[end:])


def _before(match: re.Match[str]) -> str:
    return match.string[max(0, match.start() - BEFORE) : match.start()]


def _phone_end(number: str, fewest: int, most: int) -> int | None:
    """Where the longest start of `number`, up to a separator, ends that can be a phone number."""
    ends = [group.end() for group in re.finditer("[0-9]+", number)]
    fit = (end for end in reversed(ends) if _is_phone(number[:end], fewest, most))
    return next(fit, None)


def _is_phone(number: str, fewest: int, most: int) -> bool:
    n_digits = sum(letter.isdigit() for letter in number)
    if not fewest <= n_digits <= most:
        return False
    return not FOUR_PARTS.fullmatch(number) and (_in_pairs(number) or not DATE.search(number))


def _in_pairs(number: str) -> bool:
    return PAIRS.fullmatch(number) is not None
