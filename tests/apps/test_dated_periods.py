"""The chart's periods, in a real browser: Customer.io counts without dates, so the chart says whose day a number is."""

from typing import Any

import pytest

from tests.apps import answers
from tests.apps.answers import OPERATION, answer
from tests.apps.viewing import Host, host
from tests.console.browser import chromium

__all__ = ["chromium", "host"]

TOOL = "get_campaign_metrics"
MAY = {"start": "2026-05-01", "end": "2026-06-01"}
END = {"end": "2026-06-01T00:00:00"}
HOURS, WEEKS, MONTHS = {"res": "hours"}, {"res": "weeks"}, {"res": "months"}
BERLIN, NEW_YORK = {"tz": "Europe/Berlin"}, {"tz": "America/New_York"}
DATED: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "days": (MAY, ["30 May", "31 May"], "2 days to 31 May 2026"),
    "a moment of the next day": ({"end": "2026-06-01T00:00:01Z"}, ["31 May", "1 Jun"], "2 days to 1 June 2026"),
    "hours": (MAY | HOURS, ["31 May, 22:00", "31 May, 23:00"], "2 hours to 31 May 2026"),
    "weeks": (MAY | WEEKS, ["week to 24 May", "week to 31 May"], "2 weeks to 31 May 2026"),
    "months": (MAY | {"res": "monthly"}, ["Apr 2026", "May 2026"], "2 months to 31 May 2026"),
    "over the new year": ({"end": "2026-02-01"} | MONTHS, ["Dec 2025", "Jan 2026"], "2 months to 31 January 2026"),
    "seconds": ({"end": 1_780_272_000}, ["30 May", "31 May"], "2 days to 31 May 2026"),
    "seconds as text": ({"end": "1780272000"}, ["30 May", "31 May"], "2 days to 31 May 2026"),
    "of the zone": (END | BERLIN | HOURS, ["31 May, 22:00", "31 May, 23:00"], "2 hours to 31 May 2026"),
    "west of Greenwich": (END | NEW_YORK, ["30 May", "31 May"], "2 days to 31 May 2026"),
    "its own offset": ({"end": "20260601T060000+0200"} | NEW_YORK, ["30 May", "31 May"], "2 days to 31 May 2026"),
    "month of the zone": (
        {"end": "2026-06-01T02:00Z"} | NEW_YORK | MONTHS,
        ["Apr 2026", "May 2026"],
        "2 months to 31 May 2026",
    ),
    "after a day of 25 hours": (
        {"end": "2026-10-27"} | BERLIN,
        ["23 Oct", "24 Oct", "25 Oct", "26 Oct"],
        "4 days to 26 October 2026",
    ),
    "an hour that comes twice": (
        {"end": "2026-10-25T02:00"} | BERLIN | HOURS,
        ["25 Oct, 00:00", "25 Oct, 01:00"],
        "2 hours to 25 October 2026",
    ),
    "an hour that is left out": (
        {"end": "2026-03-29T02:30"} | BERLIN | HOURS,
        ["29 Mar, 01:00", "29 Mar, 03:00"],
        "2 hours to 29 March 2026",
    ),
    "a zone that nobody knows": (END | {"tz": "Mars/Olympus"}, ["30 May", "31 May"], "2 days to 31 May 2026"),
}


@pytest.mark.parametrize("name", DATED)
def test_an_end_is_in_no_period_and_each_is_called_as_in_the_zone_of_the_call(host: Host, name: str) -> None:
    asked, named, heading = DATED[name]
    result = answer(answers.metrics(len(named)))
    with host.viewing() as view:
        there = {"timeZone": "Pacific/Auckland"}  # where the host is does not matter
        view.show({"tool": TOOL, "arguments": {"campaign_id": 1} | asked, "result": result, "context": there})
        assert heading in view.text
        assert "counted back from the end that was asked for" in view.text
        view.find("summary").click()
        view.has("tbody th", len(named))
        assert view.find("tbody th").all_inner_texts() == named


def test_a_real_answer_for_a_month_is_dated_by_the_days_of_that_month(host: Host) -> None:
    with host.viewing() as view:
        view.show({"tool": TOOL, "arguments": {"campaign_id": 1} | MAY})
        view.find("summary").click()
        view.has("tbody th", 31)
        assert view.find("tbody th").all_inner_texts() == [f"{day} May" for day in range(1, 32)]


def test_hours_until_the_call_are_called_by_the_hour_that_they_begin(host: Host) -> None:
    with host.viewing() as view:
        view.show({"tool": TOOL, "arguments": {"campaign_id": 1} | HOURS, "result": answer(answers.metrics(24))})
        assert "counted back from the call" in view.text
        view.find("summary").click()
        view.has("tbody th", 24)
        assert all(each.endswith(":00") for each in view.find("tbody th").all_inner_texts())


def test_an_end_that_cannot_be_read_dates_nothing(host: Host) -> None:
    asked = {"campaign_id": 1, "end": "2026-W22-1"}  # the tool takes a day of a week too
    with host.viewing() as view:
        view.show({"tool": TOOL, "arguments": asked, "result": answer(answers.metrics(3))})
        assert "counted back" not in view.text
        assert "2026" not in view.text


def test_the_deprecated_version_counts_in_eastern_time_and_goes_by_its_own_argument(host: Host) -> None:
    asked = {"campaign_id": 1, "version": "1", "period": "days"}
    result = answer(answers.metrics(3))
    result["_meta"]["cio-mcp/call"]["operation"] = f"01M8G1GSW0{OPERATION[10:]}"  # made on 28 November at 03:00 UTC
    with host.viewing() as view:
        view.show({"tool": TOOL, "arguments": asked, "result": result})
        assert "3 days to 27 November 2026" in view.text
        view.find(".periods button", has_text="Weeks").click()
        view.until("document.querySelector('.periods [aria-pressed=true]').textContent === 'Weeks'")
        assert view.told["calls"] == [{"name": TOOL, "arguments": asked | {"period": "weeks"}}]
