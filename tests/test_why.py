"""The words that pushed a label: exact where the model is linear, by reading again where not."""

import numpy as np
import pytest

from features.text import MAX_CHARACTERS, TextFeatures
from models.head import Head
from models.triage import Triage
from models.why import MAX_READINGS, Word, occluded, shares, word_contributions

BODIES = ["since Monday", "please help, urgent", "again and again", "in room 7"]
THINGS = {
    "network": ["VPN drops", "wifi slow", "VPN down", "proxy error"],
    "printing": ["printer jam", "toner empty", "printer broken", "no colour"],
    "account": ["password expired", "login refused", "password reset", "locked out"],
}
TICKETS = [(kind, thing, body) for kind in THINGS for thing in THINGS[kind] for body in BODIES]
FIELDS = {"title": [thing for _, thing, _ in TICKETS], "body": [body for _, _, body in TICKETS]}
KINDS = [kind for kind, _, _ in TICKETS]


@pytest.fixture(scope="module")
def learnt():
    features = TextFeatures().fit(FIELDS)
    return features, Head().fit(features.transform(FIELDS), KINDS)


@pytest.fixture(scope="module")
def model():
    return Triage().fit(FIELDS, {"kind": KINDS}, ordered=False)


@pytest.mark.parametrize(
    "texts",
    [
        {"title": "VPN drops", "body": "again, AGAIN and (again) <email>"},
        {"title": "vpn-down/printer-jam", "body": "since\x1cMonday the\u00a0ﬁfth ΟΔΟΣ"},
        {"title": "  ", "body": "password " * 3000},
        {"title": "x" * 100 + " wifi", "body": "!?"},
        {"body": "zzz 日本"},
    ],
    ids=["repeats", "odd blanks", "cut off", "long word", "unknown"],
)
@pytest.mark.parametrize("label", list(THINGS))
def test_the_words_and_the_rest_are_the_whole_lead(learnt, texts, label):
    features, head = learnt
    said = word_contributions(features, head, texts, label)
    scores = head.scores(features.transform({name: [text] for name, text in texts.items()}))[0]
    lead = scores[head.classes.tolist().index(label)] - scores.mean()
    assert sum(one.contribution for one in said.words) + said.rest == pytest.approx(lead, abs=1e-4)


def test_the_word_that_tells_is_told_in_the_tickets_own_spelling(learnt):
    said = word_contributions(*learnt, {"title": "Our VPN, it drops!", "body": "vpn"}, "network")
    first, *others = shares(said.words, 5)
    assert (first.word, first.contribution > 0.3) == ("VPN", True)
    assert "vpn" not in [one.word for one in others], "one word, however often it stands there"


def test_a_word_for_another_class_speaks_against(learnt):
    said = dict(word_contributions(*learnt, {"title": "VPN printer", "body": ""}, "network").words)
    assert said["VPN"] > 0 > said["printer"]


def test_a_pair_of_words_is_shared_by_both():
    features = TextFeatures().fit({"title": ["no go"] * 3}, ["ada", "bob", "eve"])
    head = Head()
    head.classes = np.array(["a", "b"], dtype=object)
    head.coef = np.zeros((features.n_features, 2), np.float32)
    head.coef[features.index["words"]["no go"], 0] = 1
    head.intercept = np.zeros(2, np.float32)
    one, other = word_contributions(features, head, {"title": "no go"}, "a").words
    assert one.contribution == other.contribution > 0


def test_a_label_that_is_none_is_refused(learnt):
    with pytest.raises(ValueError, match=r"wanted one of \['account', .*'door'"):
        word_contributions(*learnt, {"title": "VPN"}, "door")


def test_what_counted_nothing_is_not_told():
    assert shares([Word("a", 0.0), Word("b", -2.0)], 5) == [Word("b", -1.0)]
    assert shares([Word("a", 0.0)], 5) == shares([], 5) == []


@pytest.mark.parametrize("n_words", [0, 1, 38, 39, 40, 77, 500, MAX_CHARACTERS])
def test_a_ticket_of_any_length_is_read_again_so_often_and_no_more(n_words):
    readings = []

    def predict(fields):
        readings.extend(fields["body"])
        return {"kind": np.full((len(fields["body"]), 2), 0.5)}

    words = [f"w{number}" for number in range(n_words)]
    said = occluded(predict, {"title": "one two", "body": " ".join(words)}, {"kind": 0})["kind"]
    assert len(readings) == 1 + len(said) <= MAX_READINGS
    told = " ".join(word for word, _ in said).split()[2:]
    assert told == " ".join(words)[:MAX_CHARACTERS].split(), "each word is left out once"


def test_without_the_word_that_tells_the_label_is_less_likely(model):
    fields = {"title": ["wifi"] * 2, "body": ["since Monday", "the toner empty"]}
    said = model.explain(fields, {"kind": "printing"}, row=1, again=True)["kind"]
    by_word = dict(said)
    assert by_word["toner"] > 0 > by_word["wifi"]
    assert sum(abs(one.contribution) for one in said) == pytest.approx(1)


def test_each_row_has_reasons_of_its_own(model):
    fields = {"title": ["VPN drops", "toner empty"], "body": ["", ""]}
    for row, (kind, word) in enumerate([("network", "VPN"), ("printing", "toner")]):
        assert word in dict(model.explain(fields, {"kind": kind}, row)["kind"])
