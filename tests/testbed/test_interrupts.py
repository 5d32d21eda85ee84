"""Ctrl-C falls only where waiting may be interrupted."""

from __future__ import annotations

import os
import signal

import pytest

from joulebench.testbed.interrupts import Interrupts


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_it_is_held_back_until_it_is_allowed() -> None:
    with Interrupts() as interrupts:
        ctrl_c()
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt), interrupts.allowed():
            pytest.fail("entered although a stop was asked for")


def test_it_falls_at_once_where_it_is_allowed() -> None:
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.allowed():
        ctrl_c()


def test_the_second_falls_anywhere() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt), interrupts.allowed():
            ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()


def test_sigterm_stops_as_well() -> None:
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.allowed():
        os.kill(os.getpid(), signal.SIGTERM)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
