"""Careers: their shocks, their gaps and their growth are those asked for."""

import numpy as np
import pytest

import partialpool as pool

N = 20_000


def logs(**options):
    settings = {"years": 20, "growth": 0.0, "leave": 0, "seed": 1} | options
    return np.log(pool.simulate_careers(np.full(N, 10.0), **settings))


def test_shocks_have_the_spread_and_the_persistence_asked_for():
    pay = logs(persistent_sd=0.4, persistence=0.8, transitory_sd=0.3)
    assert pay.mean() == pytest.approx(10, abs=0.01)
    assert pay.std(axis=0) == pytest.approx(0.5, abs=0.02)
    for lag in (1, 5):
        shared = np.cov(pay[:, 3], pay[:, 3 + lag])[0, 1]
        assert shared == pytest.approx(0.4**2 * 0.8**lag, abs=0.01)


def test_pay_grows_as_asked():
    pay = logs(growth=np.linspace(0.05, 0, 19), persistent_sd=0, transitory_sd=0)
    assert np.diff(pay[0]) == pytest.approx(np.linspace(0.05, 0, 19))


def test_the_share_in_work_stays_what_leaving_and_coming_back_lead_to():
    pay = pool.simulate_careers(
        np.full(N, 10.0), years=20, growth=0, leave=0.1, back=0.3, seed=2
    )
    works = pay > 0
    assert works.mean(axis=0) == pytest.approx(0.75, abs=0.015)
    assert works[:, 1][~works[:, 0]].mean() == pytest.approx(0.3, abs=0.02)
    assert works[:, 1][works[:, 0]].mean() == pytest.approx(0.9, abs=0.01)


def test_a_seed_gives_the_same_careers():
    assert (logs(seed=5) == logs(seed=5)).all()
    assert (logs(seed=5) != logs(seed=6)).any()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"persistence": 1.5}, "persistence is 1.5: give a number from 0 to 1"),
        ({"leave": -0.1}, "leave is -0.1"),
        ({"transitory_sd": -1}, "transitory_sd is -1: give a standard deviation"),
    ],
)
def test_what_cannot_be_is_refused_by_name(option, says):
    with pytest.raises(ValueError, match=says):
        logs(**option)
