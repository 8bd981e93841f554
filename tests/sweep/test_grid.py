"""Parameters as they are written, and every combination of them."""

from __future__ import annotations

import numpy
import pytest

from btccxt.errors import ConfigError
from btccxt.sweep.grid import Span, as_text, axes_of, params_of, parse_axes, points


def test_axes_as_they_are_typed():
    axes = parse_axes(
        ["fast=5,10,20", "slow=20..100..40", "share=0.1..0.9", "side=long,short", "on=true,false", "x=1.5"]
    )
    assert axes == {
        "fast": (5, 10, 20), "slow": Span(20, 100, 40), "share": Span(0.1, 0.9), "side": ("long", "short"),
        "on": (True, False), "x": (1.5,),
    }  # fmt: skip


def test_axes_as_they_are_written_in_python():
    given = {"a": [1, 2], "b": range(5, 20, 5), "c": 3, "d": numpy.array([1.5, 2.5]).tolist(), "e": [numpy.int64(4)]}
    assert axes_of(given) == {"a": (1, 2), "b": Span(5, 15, 5), "c": (3,), "d": (1.5, 2.5), "e": (4,)}


def test_every_combination_the_last_axis_first():
    found = list(points(axes_of({"a": [1, 2], "b": Span(0.1, 0.3, 0.1)})))
    assert [(each["a"], round(float(each["b"]), 9)) for each in found] == [
        (1, 0.1), (1, 0.2), (1, 0.3), (2, 0.1), (2, 0.2), (2, 0.3),
    ]  # fmt: skip


def test_a_true_and_a_one_are_two_values():
    assert axes_of({"a": [1, True]}) == {"a": (1, True)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("fast", "write it as name=5,10,20"),
        ("=5", "write it as name=5,10,20"),
        ("fast=", "write it as name=5,10,20"),
        ("fast=5,5", "5 is given twice"),
        ("fast=20..5", "20..5: write it as low..high"),
        ("fast=5..20..-1", "the step must be more than nothing"),
        ("fast=1..inf", "write it as low..high"),
        ("fast=nan", "no number"),
    ],
)
def test_what_is_no_axis_is_said(given: str, said: str):
    with pytest.raises(ConfigError, match=said):
        parse_axes([given])


@pytest.mark.parametrize("given", [[], {}, object(), [object()], [float("nan")]])
def test_what_is_no_list_of_values_is_said(given: object):
    with pytest.raises(ConfigError, match="a="):
        axes_of({"a": given})


def test_a_span_without_steps_is_no_grid():
    with pytest.raises(ConfigError, match=r"0\.1\.\.0\.9 has no end of values: a grid needs a step"):
        list(points(axes_of({"a": Span(0.1, 0.9)})))


def test_a_grid_that_nobody_can_wait_for_is_refused_before_it_is_made():
    axes = axes_of({name: range(100) for name in "abcd"})
    with pytest.raises(ConfigError, match="100,000,000 combinations"):
        next(points(axes))
    with pytest.raises(ConfigError, match="values"):
        next(points(axes_of({"a": Span(0, 10**9)})))


@pytest.mark.parametrize("params", [{"a": 0.1 + 0.2, "b": 10**17, "c": "é,=", "d": None, "e": True, "f": 1.0}])
def test_parameters_come_back_from_their_text_to_the_last_bit(params):
    back = params_of(as_text(params))
    assert back == params
    assert {name: type(value) for name, value in back.items()} == {name: type(value) for name, value in params.items()}
    assert as_text({"b": 1, "a": 2}) == as_text({"a": 2, "b": 1})
