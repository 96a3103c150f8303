"""Stored forecasts, on both engines."""

import pytest

from data.records import Fan
from tests.desk import a_crossing as crossing


def test_a_stored_forecast_comes_back_as_it_was_put(store):
    some = [
        crossing(),
        crossing(limit=99.0, state="holds", median=None, chance=0.2, cleaned_first=0.9),
        crossing(series="new", state="unknown", now=None, median=None, chance=None, fan=Fan()),
    ]
    store.put_forecasts("default", some)
    store.put_forecasts("default", some)
    assert store.forecasts(desks=["default"]) == some
    assert store.forecasts(desks=["it"]) == []
    with pytest.raises(ValueError, match="wanted forecasts of desk 'it', got some of default"):
        store.put_forecasts("it", some)
