"""What an operator can set: one table that drives parsing, `--help`, the README and the bundle's manifest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cio_mcp.policy import PERMISSIONS
from cio_mcp.policy.grants_file import read_grants_file
from cio_mcp.policy.options import agent_name, profile_name, recipients_only
from cio_mcp.policy.profiles import PROFILES
from cio_mcp.settings import values
from cio_mcp.workspaces import read_workspaces_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting: its variable, how it is read, and what `--help` and the README say of it."""

    env: str
    help: str
    parse: Callable[[str], Any]
    default: str = ""
    is_switch: bool = False
    is_secret: bool = False

    @property
    def name(self) -> str:
        """The field of `Settings`, and the flag without its dashes."""
        return self.env.removeprefix("CIO_MCP_").removeprefix("CUSTOMERIO_").lower()

    @property
    def flag(self) -> str | None:
        """The flag of the same name; credentials have none, because every user of a machine sees flags."""
        is_flag = self.env.startswith("CIO_MCP_") and not self.is_secret
        return "--" + self.name.replace("_", "-") if is_flag else None


OPTIONS: tuple[Option, ...] = (
    Option(env="CUSTOMERIO_SITE_ID", parse=values.secret_text, help="Track API: site id"),
    Option(env="CUSTOMERIO_TRACK_API_KEY", parse=values.secret_text, help="Track API: key that belongs to the site id"),
    Option(env="CUSTOMERIO_APP_API_KEY", parse=values.app_key, help="App API: key"),
    Option(
        env="CUSTOMERIO_SERVICE_ACCOUNT_TOKEN", parse=values.service_account,
        help="Service account token (sa_live_...), for the four transactional sends only; needs the workspace id",
    ),
    Option(env="CUSTOMERIO_WORKSPACE_ID", parse=values.workspace_number, help="Workspace of the service account token"),
    Option(env="CUSTOMERIO_REGION", parse=values.region, default="us", help="Where the account lives: us or eu"),
    Option(
        env="CUSTOMERIO_TRACK_URL", parse=values.base_url,
        help="Track host, if not the region's: https on customer.io, or a loopback address",
    ),
    Option(env="CUSTOMERIO_APP_URL", parse=values.base_url, help="App host, likewise"),
    Option(
        env="CUSTOMERIO_WEBHOOK_SIGNING_KEY", parse=values.secret_text,
        help="Key with which Customer.io signs its events; with it, they are received (serve --http, webhooks serve)",
    ),
    Option(
        env="CUSTOMERIO_WEBHOOK_SIGNING_KEY_PREVIOUS", parse=values.secret_text,
        help="The key before it, good as well while keys are changed; its file may be empty or gone",
    ),
    Option(
        env="CIO_MCP_SANDBOX", parse=values.switch, default="false", is_switch=True,
        help="Use a built-in Customer.io instead of the real one: no keys, no network, nobody gets mail",
    ),
    Option(env="CIO_MCP_AREAS", parse=values.areas, help="Serve only these areas, such as people,customers"),
    Option(
        env="CIO_MCP_READ_ONLY", parse=values.switch, default="false", is_switch=True,
        help="Serve only tools that change nothing",
    ),
    Option(
        env="CIO_MCP_GRANT", parse=values.grants,
        help=f"Serve only what is named, as area:permission, such as customers:read,messaging:send. "
        f"Permissions: {', '.join(PERMISSIONS)}; * stands for all of either",
    ),
    Option(
        env="CIO_MCP_GRANTS", parse=read_grants_file,
        help="A grants file (TOML): what each agent may do, to whom, how often and when",
    ),
    Option(
        env="CIO_MCP_AGENT", parse=agent_name, default="local",
        help="Whom this server serves: the name in the grants file and in the record",
    ),
    Option(
        env="CIO_MCP_PROFILE", parse=profile_name,
        help=f"A named starting point of grants: {', '.join(PROFILES)}; see `cio-mcp grants profiles`",
    ),
    Option(
        env="CIO_MCP_WORKSPACES", parse=read_workspaces_file,
        help="A file of several workspaces (TOML): where the credentials of each lie, and which agents may reach it",
    ),
    Option(
        env="CIO_MCP_TEST_RECIPIENTS", parse=recipients_only,
        help="The only people anything may be sent to: addresses and @domains, separated by commas",
    ),
    Option(
        env="CIO_MCP_CONFIRM", parse=values.mode, default="auto",
        help="How what is irreversible or reaches an audience is confirmed: auto (ask through the client, else by a "
        "token), ask (through the client or not at all), token, operator (`cio-mcp approve OPERATION`), off",
    ),
    Option(
        env="CIO_MCP_CONFIRM_ABOVE", parse=values.people, default="100",
        help="People that one call may name before it must be confirmed for that alone",
    ),
    Option(
        env="CIO_MCP_REPEAT_WINDOW", parse=values.window, default="600",
        help="Seconds within which a second, identical send is held back; 0 holds none back",
    ),
    Option(
        env="CIO_MCP_LEDGER", parse=values.ledger,
        help="Where every call is recorded: a file, or memory for trials (default: a file in the user's state "
        "directory; with the sandbox, memory)",
    ),
    Option(
        env="CIO_MCP_LEDGER_DAYS", parse=values.days, default="365", help="Days for which records are kept",
    ),
    Option(
        env="CIO_MCP_LEDGER_MEGABYTES", parse=values.megabytes, default="500",
        help="Megabytes that the record may grow to before its oldest part is dropped",
    ),
    Option(
        env="CIO_MCP_STORE", parse=values.database,
        help="Where servers on several machines keep their record, confirmations, budgets, tokens and events together, "
        "instead of a file: postgresql://USER:PASSWORD@HOST:PORT/DATABASE; better as CIO_MCP_STORE_FILE, since it "
        "holds a password",
    ),
    Option(
        env="CIO_MCP_LEDGER_KEY", parse=values.ledger_key, is_secret=True,
        help="With --store: the secret of at least 32 characters by which the record is chained, the same on every "
        "server and not in the database",
    ),
    Option(
        env="CIO_MCP_LIMITER", parse=values.engine,
        help="Through what servers on several machines share Customer.io's limits: redis://, rediss://, unix:// (Redis "
        "or Valkey) or postgresql:// (default: the store)",
    ),
    Option(
        env="CIO_MCP_REPLICAS", parse=values.replicas, default="1",
        help="How many servers share the limits at most: while what they share them through is away, each keeps to its "
        "part",
    ),
    Option(
        env="CIO_MCP_LIMITER_STRICT", parse=values.switch, default="false", is_switch=True,
        help="Send nothing while it is away, instead of a part",
    ),
    Option(
        env="CIO_MCP_WEBHOOK_URL", parse=values.public_url,
        help="The address at which Customer.io reaches /webhooks/customerio, for get_webhook_setup to tell; with "
        "several workspaces, /NAME is added",
    ),
    Option(
        env="CIO_MCP_WEBHOOK_MAX_AGE", parse=values.past, default="608400",
        help="Seconds for which a signed event may be under way: Customer.io repeats it for seven days",
    ),
    Option(
        env="CIO_MCP_WEBHOOK_MAX_AHEAD", parse=values.ahead, default="300",
        help="Seconds by which its clock may be ahead of ours",
    ),
    Option(
        env="CIO_MCP_EVENTS_DAYS", parse=values.event_days, default="90",
        help="Days for which events are kept, 8 or more: Customer.io repeats one for seven",
    ),
    Option(
        env="CIO_MCP_EVENTS_MEGABYTES", parse=values.megabytes, default="500",
        help="Megabytes that they may grow to before the oldest are dropped",
    ),
    Option(
        env="CIO_MCP_AUTH", parse=values.proofs,
        help="Over HTTP, by what agents prove who they are: tokens (`cio-mcp token create NAME --grant ...`), oauth, "
        "or both, separated by commas",
    ),
    Option(
        env="CIO_MCP_ALLOWED_HOSTS", parse=values.reached_as,
        help="Over HTTP, the names by which clients reach this server, such as mcp.example.com",
    ),
    Option(
        env="CIO_MCP_ALLOWED_ORIGINS", parse=values.origins,
        help="Over HTTP, the web pages that may call, such as https://app.example.com, or none",
    ),
    Option(
        env="CIO_MCP_INSECURE_LOOPBACK", parse=values.switch, default="false", is_switch=True,
        help="Over HTTP on a loopback address, ask nobody who they are although the server is reached from elsewhere: "
        "for a proxy that asks",
    ),
    Option(
        env="CIO_MCP_SESSIONS", parse=values.switch, default="false", is_switch=True,
        help="Over HTTP, keep sessions, so that older clients can be asked questions and see progress; for one process "
        "alone",
    ),
    Option(
        env="CIO_MCP_PUBLIC_URL", parse=values.oauth_url,
        help="URL of the MCP endpoint as clients write it; OAuth tokens must be made out for exactly it",
    ),
    Option(
        env="CIO_MCP_OAUTH_ISSUER", parse=values.oauth_url,
        help="The issuer whose access tokens are accepted, exactly as in their iss",
    ),
    Option(
        env="CIO_MCP_OAUTH_JWKS_URL", parse=values.oauth_url,
        help="Its key set, where the issuer publishes no metadata",
    ),
    Option(
        env="CIO_MCP_OAUTH_WORKSPACE_CLAIM", parse=agent_name,
        help="The claim that names an agent's workspaces, of those that it is bound to; a token without it then "
        "reaches none",
    ),
    Option(
        env="CIO_MCP_CONSOLE", parse=values.listening,
        help="Show the operator's page there, beside the server: [host:]port; without a host, to this machine alone",
    ),
    Option(
        env="CIO_MCP_CONSOLE_KEY", parse=values.console_key, is_secret=True,
        help="With --console: the secret of at least 32 characters with which the operator signs in, to read plans and "
        "to decide; needed on any other address than a loopback one",
    ),
    Option(
        env="CIO_MCP_TOKEN", parse=values.secret_text, is_secret=True,
        help="The token with which `call --url` proves itself to a server elsewhere",
    ),
    Option(
        env="CIO_MCP_TIME_BUDGET", parse=values.seconds, default="45",
        help="Seconds one call may take, waiting included; many clients give up after 60",
    ),
    Option(
        env="CIO_MCP_RESULT_TOKENS", parse=values.tokens, default="25000",
        help="Tokens that one result may cost at most; longer lists are cut, and the result says so",
    ),
    Option(env="CIO_MCP_LIMIT_APP", parse=values.rate, default="10/1", help="App API: requests / seconds"),
    Option(env="CIO_MCP_LIMIT_EMAIL", parse=values.rate, default="100/1", help="send_email: requests / seconds"),
    Option(
        env="CIO_MCP_LIMIT_TRANSACTIONAL", parse=values.rate, default="10/1",
        help="send_push, send_sms, send_in_app: requests / seconds",
    ),
    Option(
        env="CIO_MCP_LIMIT_BROADCAST", parse=values.rate, default="1/10",
        help="trigger_broadcast: requests / seconds",
    ),
    Option(env="CIO_MCP_LIMIT_TRACK", parse=values.rate, default="1000/1", help="Track API: requests / seconds"),
    Option(
        env="CIO_MCP_LOG_LEVEL", parse=values.level, default="info",
        help=f"Messages on standard error: {', '.join(values.LOG_LEVELS)}. Over HTTP, every call is one at info",
    ),
    Option(
        env="CIO_MCP_LOG_FORMAT", parse=values.log_format, default="text",
        help="How they are written: text, or json, one object a line",
    ),
    Option(
        env="CIO_MCP_METRICS", parse=values.address,
        help="Serve metrics for Prometheus at [HOST:]PORT, path /metrics (default host: 127.0.0.1); nobody is asked "
        "who they are. Needs the extra prometheus",
    ),
)  # fmt: skip
