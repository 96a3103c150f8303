import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.masking import mask, pseudonym

EMAILS = [
    "bob@example.com",
    "BOB.O'Neil+tickets@sub.example.co.uk",
    "mailto:a_b@x-y.de",
    "ü.müller@müller.de",
]
PHONES = [
    *("+49 30 1234567", "+1 (555) 010-9999", "+1-202-555-0143", "+44 20 7946 0958"),
    *("+4915112345678", "+33 6 12 34 56 78", "+1.2025550143", "0049 30 123456", "0049301234567"),
    *("(202) 555-0143", "202-555-0143", "202.555.0143", "1-800-555-0199", "555-123-4567"),
    *("030/1234567", "0171 1234567", "(030) 123456", "06 12 34 56 78", "06.12.34.56.78"),
    *("01632 960123", "07700900123", "Tel: 5551234567", "phone 555-0143", "Mobile: 0412 345 678"),
    *("call me on 07700 900123", "Telefonnummer: 030 1234567"),
]
CARDS = [
    *("4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111", "4222222222222"),
    *("5555 5555 5555 4444", "378282246310005", "3782 822463 10005", "6011111111111117"),
]
IBANS = [
    *("GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000", "de89 3704 0044 0532 0130 00"),
    *("NO93 8601 1117 947", "MT84-MALT-0110-0001-2345-MTLC-AST0-01S", "AT61 1904 3002 3457 3201"),
]
SECRETS = {
    "AKIAIOSFODNN7EXAMPLE": "AKIA",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp",
    "xoxb-123456789012-abcdefGHIJ": "xox",
    "sk-proj-abc123def456ghi789": "sk-",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc": "4eC39",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP": "eyJ",
    "Authorization: Bearer abc123def456": "abc123",
    "authorization: Basic dXNlcjpwYXNzd29yZA==": "dXNlcjp",
    "token: 9f86d081884c7d659a2feaa0c55ad015": "9f86",
    "secret 9f86d081884c7d659a2feaa0c55ad015": "9f86",
    "api_key=abcd1234efgh": "abcd1234",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz": "wJalr",
    '{"apiKey":"abcd1234efgh5678"}': "abcd1234",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpA\nIBAAK\n-----END RSA PRIVATE KEY-----": "MIIEpA",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz": "b3Blb",
    f"a torn row:\nMIIEpA{'b3Blb' * 11}+/a\n-----END RSA PRIVATE KEY-----": "MIIEpA",
    "password: hunter2": "hunter2",
    "password:\nhunter2": "hunter2",
    "Password:</b> hunter2": "hunter2",
    'Password = "my long pass"': "long",
    '{"password":"hunter2"}': "hunter2",
    "my pw is sunshine": "sunshine",
    "my password is now hunter2": "hunter2",
    "password changed to Summer2024!": "Summer",
    "use password Summer2024!": "Summer",
    "pwd=secret!": "secret!",
    "Passwort: Geheim1": "Geheim",
    "mot de passe: soleil": "soleil",
    "PIN: 1234": "1234",
    "https://bob:s3cret@host.example.com/x": "s3cret",
    "postgresql://u:p@ss@db:5432/x": "p@ss",
}
HARMLESS = [
    # ticket, order and other numbers
    *("INC0012345 is open", "Ticket 2026010512345", "Ticket #0412345678", "CHG-2024-00012"),
    *("order 234-567-8901", "Order no. 0412345678", "PO 4500012345", "0000123456", "KB5034441"),
    *("S/N 0412 345 678", "IMEI 356938035643809", "EAN 4006381333931", "4111 1111 1111 1112"),
    *("error 0x8007000D 1603", "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "MAC 00:1A:2B:3C:4D:5E"),
    *("key: SERVICEDESK-12345", "GB29 NWBK 6016 1331 9268 18"),
    # dates and times
    *("2026-01-05 10:30:00", "05.01.2026 09:15", "01/02/2024 10:30", "2026-01-05T10:00:00+02:00"),
    *("opened 05 03 2024 12 30", "2024-01-15 2024-01-16", "1716900000000", "1716900000123456"),
    *("from 08:00 to 17:30", "UTC+02:00"),
    # addresses, versions, amounts
    *("10.20.30.40 port 8080", "phone 10.20.30.40 is down", "192.168.100.200", "8.8.8.8 1.1.1.1"),
    *("version 4.17.21", "lodash@4.17.21", "v10.0.19045.4170", "Win 10 22H2 19045.3930"),
    *("1,234,567.89 EUR", "1.234.567,89", "+10.000.000,00 EUR", "100 000 000", "3.14159265358979"),
    *("+52.520008, +13.404954", "pages 100-200", "-5 +3 +2 points", "room 030 12"),
    *("@here and @channel", "twitter.com/@bob", "http://localhost:8080/a@b"),
    # talk about secrets
    *(f"{'a1' * 32}", f"{'=' * 70}", f"https://a.example/{'aB3' * 20}"),
    *("my password is expired", "password is not working", "Password reset", "pass the parcel"),
    *("forgot password: please help", "password: cannot log in", "the password is incorrect."),
    *("password to my account", "password to log in", "passport: missing", "bypass=true"),
    *("token expired", "the key is under the mat", "Key: Ctrl+Alt+F12", "secret santa 2024"),
    *(
        "bearer certificates",
        "basic information",
        "pk_customers_2024",
        "monkey: abc",
        "pin the tab",
    ),
]
HOSTILE = {
    "letters": "a",
    "digits": "1",
    "spaces": " ",
    "spaced digits": "01 ",
    "at signs": "a@",
    "dots": "a@a.",
    "tokens": "eyJ-eyJaaaaa.",
    "keys": "key=key ",
    "passwords": 'password: "password ',
    "logins": "://a:",
    "plus signs": "+1 (0",
    "private keys": "-----BEGIN PRIVATE KEY-----",
    "placeholders": "<secret>",
    "phones": "tel 0171 1234567 ",
    "cards": "4111 ",
    "accounts": "GB29 NWBK ",
    "lines of a key": f"{'aB3' * 20}\n",
}


@pytest.mark.parametrize("text", EMAILS)
def test_email_is_masked(text):
    assert mask(f"Write to {text}, please") in (
        "Write to <email>, please",
        "Write to mailto:<email>, please",
    )


@pytest.mark.parametrize("text", IBANS)
def test_bank_account_is_masked(text):
    assert mask(f"refund to {text} soon, IBAN {text}") == "refund to <iban> soon, IBAN <iban>"


@pytest.mark.parametrize("text", PHONES)
def test_phone_is_masked(text):
    masked = mask(f"Hello, {text}\nBob")
    assert "<phone>" in masked
    assert not any(letter.isdigit() for letter in masked)


@pytest.mark.parametrize("text", CARDS)
def test_card_is_masked(text):
    assert mask(f"paid with {text}, 12/25") == "paid with <card>, 12/25"


@pytest.mark.parametrize("text", SECRETS)
def test_secret_is_masked(text):
    masked = mask(f"see {text}")
    assert "<secret>" in masked
    assert SECRETS[text] not in masked


@pytest.mark.parametrize("text", HARMLESS)
def test_look_alike_stays(text):
    assert mask(text) == text


def test_neighbours_are_masked_each():
    text = "0171 1234567 / 0172 1234567 / 0173 1234567 / 0174 1234567, on 01/02/2024 0171 1234567"
    assert mask(text) == "<phone> / <phone> / <phone> / <phone>, on 01/02/2024 <phone>"
    assert mask("4111 1111 1111 1111 5555 5555 5555 4444") == "<card> <card>"


def test_text_around_stays():
    text = "Hi,\n\npassword: hunter2\r\nmail ada@example.com; done\t"
    assert mask(text) == "Hi,\n\npassword: <secret>\r\nmail <email>; done\t"


pieces = st.sampled_from([*EMAILS, *PHONES, *CARDS, *SECRETS, *HARMLESS])
glue = st.sampled_from(["", " ", "\n", "@", ":", "=", "/", "-", ".", '"', "<", ">", "+", "0", "a"])
texts = st.lists(pieces | glue | st.text(max_size=5), max_size=8).map("".join)


@settings(deadline=None)
@given(texts)
def test_masking_twice_changes_nothing(text):
    assert mask(mask(text)) == mask(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_megabyte_of_one_pattern_is_masked_in_linear_time(unit):
    mask(unit * (1_000_000 // len(unit)))  # a quadratic pattern takes hours


def test_pseudonym_is_keyed_and_blind_to_case_and_space():
    name = pseudonym("key", "Ada@Example.com")
    assert name == pseudonym("key", "  ada@example.COM ")
    assert name != pseudonym("other", "Ada@Example.com")
    assert name != pseudonym("key", "bob@example.com")
    assert len(name) == 32
