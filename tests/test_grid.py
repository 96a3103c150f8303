import numpy as np
import pytest

from features.grid import counts, grid, regular
from features.rhythm import offsets, slot_of_day, slot_of_week

START = np.datetime64("2026-01-05T09:00:00")


def at(*minutes):
    return START + np.array(minutes) * np.timedelta64(60, "s")


def test_points_out_of_order_fall_in_their_step():
    _, values = regular(at(7, 1, 3), np.array([[9.0], [1.0], [3.0]]), 300, *at(0, 15))
    np.testing.assert_array_equal(values.ravel(), [2, 9, np.nan])


def test_last_point_of_a_step_can_be_taken():
    matrix = np.array([[1.0, 5.0], [3.0, np.nan]])
    _, values = regular(at(1, 3), matrix, 300, *at(0, 5), how="last")
    np.testing.assert_array_equal(values, [[3, 5]])


def test_points_outside_are_left_out():
    _, values = regular(at(-1, 5), np.array([[1.0], [2.0]]), 300, *at(0, 5))
    assert np.isnan(values).all()


def test_infinite_value_is_missing():
    _, values = regular(at(0, 1), np.array([[np.inf], [4.0]]), 300, *at(0, 5))
    np.testing.assert_array_equal(values, [[4]])


def test_grid_of_no_length_is_empty():
    assert len(grid(START, START, 300)) == 0


def test_step_out_of_range():
    with pytest.raises(ValueError, match="step_seconds must be at least 1, got 0"):
        grid(START, START, 0)


def test_total_counts_what_no_key_names():
    opened = at(1, 2, 6, 20)
    _, matrix = counts(opened, ["a", "zzz", "a", "a"], ["a", "b", "total"], *at(0, 10), 300)
    np.testing.assert_array_equal(matrix, [[1, 0, 2], [1, 0, 1]])


def test_ticket_labelled_total_is_counted_once():
    _, matrix = counts(at(1), ["total"], ["total"], *at(0, 5), 300)
    np.testing.assert_array_equal(matrix, [[1]])


def test_slots_follow_the_clock_on_the_wall():
    london = offsets("Europe/London")
    winter, summer = np.datetime64("2026-01-05T12:00"), np.datetime64("2026-07-06T12:00")
    assert slot_of_day(winter, 24, london) == 12
    assert slot_of_day(summer, 24, london) == 13
    np.testing.assert_array_equal(slot_of_week(np.array([winter, summer]), 7, london), [0, 0])
