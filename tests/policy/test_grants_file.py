"""A grants file: read whole or not at all, and put together for one agent."""

import os
from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest

from cio_mcp.policy import Grants, Policy
from cio_mcp.policy.addresses import Recipients
from cio_mcp.policy.grants import Budget, Causes
from cio_mcp.policy.grants_file import read_grants_file
from cio_mcp.policy.options import agent_name, policy_for, recipients_only
from tests.policy.situations import words

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a grants file that is private to this user."""

    def written(text: str) -> str:
        path = tmp_path / "grants.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return str(path)

    tmp_path.chmod(0o700)
    return written


def of(path: str, agent: str = "local", profile: str | None = None) -> Grants:
    return read_grants_file(path).of(agent, profile)


WHOLE = """
profile = "safe"
allow = ["customers:personal"]
deny = ["people:destructive"]
fields = ["cc"]
causes = "free"
[recipients]
addresses = ["Ada@example.com", "+15551234567"]
[budget]
per_hour = 50
per_call = 10
[quiet]
from = 22:00:00
to = "08:00"
timezone = "Europe/Berlin"
[personal]
attributes = ["plan"]

[agents.ada]
profile = "sender"
allow = ["people:track_event"]
deny = ["messaging:send_sms"]
fields = ["bcc"]
[agents.ada.recipients]
own = false
domains = ["Example.org", "*.example.net"]
[agents.ada.urls]
hosts = ["hooks.example.com"]
[agents.ada.budget]
per_hour = 70
per_day = 90
[agents.ada.quiet]
from = "12:00"
to = "13:00"
timezone = "UTC"
[agents.ada.personal]
attributes = ["city"]
"""


def test_an_agent_has_what_all_have_and_what_it_was_given(write: Write) -> None:
    path = write(WHOLE)
    ada = of(path, "ada")
    assert ada.origin == f"{path}, agent ada"
    sender = words("*:read *:personal *:write messaging:send_email messaging:send_push messaging:send_sms")
    assert ada.allow == sender | words("messaging:send_in_app customers:personal people:track_event")
    assert ada.deny == words("people:destructive messaging:send_sms")
    assert ada.fields == {"cc", "bcc"}
    assert ada.causes is Causes.FREE
    assert ada.recipients == Recipients(
        own=False,
        addresses=frozenset({"ada@example.com", "+15551234567"}),
        domains=frozenset({"example.org", "*.example.net"}),
    )
    assert ada.hosts == {"hooks.example.com"}
    assert ada.budget == Budget(per_call=10, per_hour=50, per_day=90)
    assert [str(quiet) for quiet in ada.quiet] == ["22:00 to 08:00 Europe/Berlin", "12:00 to 13:00 UTC"]
    assert ada.quiet[0].start == time(22)
    assert ada.shown == {"plan", "city"}


def test_the_default_agent_has_what_holds_for_all(write: Write) -> None:
    local = of(write(WHOLE))
    assert local.allow == words("*:read customers:personal")
    assert local.recipients.own is True
    assert local.budget == Budget(per_call=10, per_hour=50)


def test_an_empty_file_allows_nothing(write: Write) -> None:
    empty = of(write(""))
    assert empty == Grants(origin=empty.origin)
    assert empty.causes is Causes.COUNT
    assert empty.recipients == Recipients(own=True)


def test_a_profile_is_where_a_file_begins_and_its_budget_gives_way(write: Write) -> None:
    raised = of(write("[budget]\nper_hour = 5000"), profile="broadcaster")
    assert raised.budget == Budget(per_hour=5000, per_day=500)
    assert words("*:send") <= raised.allow


@pytest.mark.parametrize(
    ("everyone", "own", "causes"),
    [
        ("", "", Causes.COUNT),
        ("free", "", Causes.FREE),
        ("", "free", Causes.FREE),
        ("free", "free", Causes.FREE),
        ("count", "free", Causes.COUNT),
        ("free", "count", Causes.COUNT),
    ],
)
def test_causes_are_free_only_if_nobody_counts_them(write: Write, everyone: str, own: str, causes: Causes) -> None:
    line = 'causes = "{}"\n'
    text = (line.format(everyone) if everyone else "") + "[agents.ada]\n" + (line.format(own) if own else "")
    assert of(write(text), "ada").causes is causes


@pytest.mark.parametrize(
    ("everyone", "own", "result"),
    [("true", "true", True), ("false", "true", False), ("true", "false", False)],
)
def test_own_addresses_are_free_only_if_both_say_so(write: Write, everyone: str, own: str, *, result: bool) -> None:
    text = f"[recipients]\nown = {everyone}\n[agents.ada.recipients]\nown = {own}"
    assert of(write(text), "ada").recipients.own is result


WRONG = [
    ("alow = []", "where alow is no key here (did you mean allow?)"),
    ("zzz = 1", "where zzz is no key here; there are agents, allow, budget"),
    ('allow = "x:y"', "where allow must be a list [...]"),
    ("allow = [1]", "where allow[1] must be text in quotation marks"),
    ('allow = ["people"]', "where allow[1] 'people' must be area:permission or area:tool"),
    ('allow = ["*:read", "peple:read"]', "where allow[2] 'peple:read' names no area (did you mean people?)"),
    ('allow = ["people:wirte"]', "where allow[1] 'people:wirte' names nothing that people needs (did you mean write?)"),
    ('allow = ["people:read"]', "names nothing that people needs"),
    ('allow = ["messaging:send_emial"]', "(did you mean send_email?)"),
    ('allow = ["people:send_email"]', "names nothing that people needs"),
    ('allow = ["*:reed"]', "names nothing that a tool needs (did you mean read?)"),
    ('deny = ["people:delete_persn"]', "where deny[1] 'people:delete_persn' names nothing that people needs (did you"),
    ('deny = [""]', "must be area:permission"),
    ('fields = ["bbc"]', "where fields[1] 'bbc' is no field that is a grant of its own (did you mean bcc?)"),
    ('causes = "never"', "where causes is no causes"),
    ("causes = true", "where causes must be text in quotation marks"),
    ('profile = "admn"', "where profile is no profile (did you mean admin?)"),
    ("recipients = []", "where recipients must be a table, [recipients]"),
    ("[recipients]\nadresses = []", "where recipients.adresses is no key here (did you mean addresses?)"),
    ('[recipients]\naddresses = ["ada"]', "where recipients.addresses[1] 'ada' must be an address"),
    ('[recipients]\ndomains = ["@example.com"]', "where recipients.domains[1] '@example.com' must be a domain"),
    ('[recipients]\nown = "no"', "where recipients.own must be true or false"),
    ('[urls]\nhosts = ["https://x.org"]', "where urls.hosts[1] 'https://x.org' must be a domain"),
    ("[budget]\nper_hour = -1", "where budget.per_hour must be 0 or more recipients"),
    ("[budget]\nper_hour = true", "where budget.per_hour must be a whole number"),
    ("[budget]\nper_hour = 1.5", "where budget.per_hour must be a whole number"),
    ("[budget]\nper_week = 1", "where budget.per_week is no key here"),
    ('[quiet]\nfrom = "22:00"', "where quiet.to must be a time of day"),
    ('[quiet]\nfrom = "late"\nto = "08:00"\ntimezone = "UTC"', "where quiet.from must be a time of day"),
    ('[quiet]\nfrom = 22\nto = "08:00"\ntimezone = "UTC"', "where quiet.from must be a time of day"),
    ('[quiet]\nfrom = "22:00+01:00"\nto = "08:00"\ntimezone = "UTC"', "where quiet.from must have no offset"),
    ('[quiet]\nfrom = "08:00"\nto = "08:00"\ntimezone = "UTC"', "where quiet.to must not be the same as `from`"),
    ('[quiet]\nfrom = "22:00"\nto = "08:00"', "where quiet.timezone is needed"),
    ('[quiet]\nfrom = "22:00"\nto = "08:00"\ntimezone = "Europe/Atall"', "where quiet.timezone is no time zone"),
    ('[quiet]\nfrom = "22:00"\nto = "08:00"\ntimezone = "../x"', "where quiet.timezone is no time zone"),
    ('[personal]\nattributes = "plan"', "where personal.attributes must be a list"),
    ("agents = 1", "where agents must be a table, [agents]"),
    ("[agents]\nada = 1", "where agents.ada must be a table, [agents.ada]"),
    ("[agents.ada]\nallow = [1]", "where agents.ada.allow[1] must be text"),
    ("[agents.ada.budget]\nper_dya = 1", "where agents.ada.budget.per_dya is no key here (did you mean per_day?)"),
    ("[agents.ada.agents.bob]", "where agents.ada.agents is no key here"),
    ("allow = [", "which is no TOML: "),
    ("allow = []\nallow = []", "which is no TOML: "),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_what_is_not_understood_ends_the_start_with_its_place(write: Write, text: str, complaint: str) -> None:
    path = write(text)
    with pytest.raises(ValueError, match=r"^names ") as refused:
        of(path, "ada")
    assert str(refused.value).startswith(f"names {path}, ")
    assert complaint in str(refused.value)


@pytest.mark.parametrize("text", ["allow = ['people:send', 'people:personal', '*:*', 'entities:write', 'segments:*']"])
def test_every_word_that_means_something_is_taken(write: Write, text: str) -> None:
    assert len(of(write(text)).allow) == 5


def test_an_agent_that_the_file_does_not_name_is_refused(write: Write) -> None:
    with pytest.raises(ValueError, match=r"^--agent names one that .* does not \(did you mean ada\?\)$"):
        of(write(WHOLE), "adda")
    with pytest.raises(ValueError, match=r"; it names no agents$"):
        of(write(""), "ada")


def test_two_profiles_are_refused(write: Write) -> None:
    with pytest.raises(ValueError, match="--profile stands beside the profile that"):
        of(write(WHOLE), "ada", "safe")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_command(write: Write, mode: int) -> None:
    path = write("")
    Path(path).chmod(mode)
    with pytest.raises(ValueError, match="which others may write; run: chmod go-w ") as refused:
        of(path)
    os.system(str(refused.value).partition("run: ")[2])  # noqa: S605 - the command that it tells
    assert of(path).origin


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
def test_a_file_that_others_may_only_read_is_taken(write: Write, mode: int) -> None:
    path = write("")
    Path(path).chmod(mode)
    assert of(path).origin


def test_a_file_that_others_could_replace_is_refused(write: Write) -> None:
    path = write("")
    folder = Path(path).parent
    folder.chmod(0o777)
    with pytest.raises(ValueError, match="in a folder in which others may replace it; run: chmod go-w "):
        of(path)
    folder.chmod(0o1777)
    assert of(path).origin


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_of_another_user_is_refused(write: Write) -> None:
    path = write("")
    os.chown(path, 12345, -1)
    with pytest.raises(ValueError, match="belongs to another user; run: chown 0 "):
        of(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        of(str(tmp_path / "none.toml"))
    with pytest.raises(ValueError, match=r"; area:permission belongs to --grant$"):
        of("*:read")
    with pytest.raises(ValueError, match="names a file that cannot be read"):
        of(str(tmp_path))
    for name in ("~nobody-of-this-name/grants.toml", "a\0b"):
        with pytest.raises(ValueError, match="its path is none of this machine's"):
            of(name)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="which is no file"):
        of(str(tmp_path / "pipe"))


def test_what_is_no_text_or_too_much_is_refused(write: Write) -> None:
    path = write("")
    Path(path).write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is no UTF-8 text"):
        of(path)
    Path(path).write_bytes(b"#" * 1_000_001)
    with pytest.raises(ValueError, match="more than 1,000,000 bytes"):
        of(path)
    Path(path).write_bytes(b"a = " + b"[" * 100_000)
    with pytest.raises(ValueError, match="is no TOML"):
        of(path)


def test_a_byte_order_mark_is_no_part_of_a_file(write: Write) -> None:
    assert of(write("\ufeff" + WHOLE), "ada").origin


def test_flags_file_and_profile_come_to_one_policy(write: Write) -> None:
    def come_to(**given: object) -> Policy:
        nothing: dict[str, object] = {
            "areas": None, "read_only": False, "grants": None, "file": None, "agent": "local", "profile": None,
            "test_recipients": None,
        }  # fmt: skip
        return policy_for(**nothing | given)  # type: ignore[arg-type]  # a table of keywords, each of its own type

    assert come_to() == Policy()
    file = read_grants_file(write(WHOLE))
    agent = come_to(file=file, agent="ada").agent
    assert agent == file.of("ada")
    profile = come_to(profile="sender").agent
    assert profile is not None
    assert profile.origin == "profile sender"
    only = recipients_only("ada@example.com")
    assert come_to(read_only=True, test_recipients=only) == Policy(read_only=True, test_recipients=only)


def test_test_recipients_are_read_from_a_list() -> None:
    only = recipients_only(" ada@example.com , @example.org,+15551234567 ")
    assert str(only) == "+15551234567, ada@example.com, @example.org"
    for text in (",", " "):
        with pytest.raises(ValueError, match="names nobody"):
            recipients_only(text)
    for text in ("ada", "example.org", "@", "ada@example.com;bob@example.com"):
        with pytest.raises(ValueError, match="must be "):
            recipients_only(text)


def test_the_name_of_an_agent_is_one_short_line() -> None:
    assert agent_name("support-bot") == "support-bot"
    for text in ("a\nb", "a" * 81, "a\u202eb"):
        with pytest.raises(ValueError, match="one line"):
            agent_name(text)
