import pytest

from models import CLASSIFIERS
from models.classifier import Classifier
from models.classifier_checks import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_contract(make, check):
    check(make)


@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_is_a_classifier(make):
    assert isinstance(make(), Classifier)
