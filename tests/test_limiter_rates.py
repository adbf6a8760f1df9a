import pytest

from cio_mcp.limiter import Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/1", Rate(10, 1.0)),
        ("10/1s", Rate(10, 1.0)),
        (" 1/10s ", Rate(1, 10.0)),
        ("3/0.25", Rate(3, 0.25)),
        ("3000/3s", Rate(3000, 3.0)),
    ],
)
def test_a_rate_is_read_with_or_without_its_unit(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("rate", [Rate(10), Rate(1, 10), Rate(7, 0.1), Rate(5, 1 / 3), Rate(2, 1e-06)])
def test_what_a_rate_prints_reads_back_as_the_same_rate(rate: Rate) -> None:
    assert Rate.parse(str(rate)) == rate


def test_a_rate_prints_in_its_shortest_form() -> None:
    assert [str(Rate(10)), str(Rate(1, 10)), str(Rate(3, 0.5))] == ["10/1s", "1/10s", "3/0.5s"]


@pytest.mark.parametrize("text", ["", "10", "10/", "/1", "10/s", "-1/1", "ten/1", "10/1m", "10/1/1", "1.5/1"])
def test_what_is_not_a_rate_is_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"write REQUESTS/SECONDS"):
        Rate.parse(text)


@pytest.mark.parametrize("text", ["0/1", "10/0", "10/0s"])
def test_a_rate_that_allows_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"at least one request|positive number"):
        Rate.parse(text)
