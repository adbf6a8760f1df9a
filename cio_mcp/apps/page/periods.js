// When each period of a series was: Customer.io counts by period, and leaves the dates out.

const PERIODS = ["hours", "days", "weeks", "months"];
const NAMED = new Map([["hourly", "hours"], ["daily", "days"], ["weekly", "weeks"], ["monthly", "months"]]);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WRITTEN = { hours: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }, months: { month: "short", year: "numeric" } };
const ISO = /^(\d{4})-?(\d\d)-?(\d\d)(?:.(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?$/;

/** Customer.io's App API reference, "Get campaign metrics": version 1 has `period` and `steps`, and Eastern time. */
function isFirstVersion(asked) {
  return Number(asked.version) === 1;
}

/** What each period is called; without a moment to count from, how long it lies before the call. */
function clock(result, length, cut) {
  const asked = call.arguments;
  const period = NAMED.get(asked.res) ?? [asked.res, asked.period].find((each) => PERIODS.includes(each)) ?? "days";
  const zone = isFirstVersion(asked) ? "America/New_York" : typeof asked.tz === "string" ? asked.tz : "UTC";
  const isAsked = (asked.end ?? null) !== null;
  const last = cut ? null : isAsked ? lastBefore(asked.end, zone) : calledAt(result);
  const back = (index) => length - 1 - index;
  if (last === null) return { period, isAsked, until: null, ...undated(period, back, cut) };
  const shown = (index) => before(last, period, back(index), zone);
  const written = dates(WRITTEN[period] ?? { day: "numeric", month: "short" }, "UTC");
  const short = period === "hours" && length <= 48 ? dates({ hour: "2-digit", minute: "2-digit" }, "UTC") : written;
  return {
    period, isAsked,
    until: dates({ day: "numeric", month: "long", year: "numeric" }, "UTC").format(wall(last, zone)),
    name: (index) => `${period === "weeks" ? "week to " : ""}${written.format(shown(index))}`,
    short: (index) => short.format(shown(index)),
  };
}

function undated(period, back, cut) {
  const one = period.slice(0, -1);
  const short = (index) => (cut ? `${one} ${index + 1}` : back(index) ? `${back(index)} ${back(index) === 1 ? one : period}` : "latest");
  return { short, name: (index) => `${short(index)}${cut || !back(index) ? "" : " before"}` };
}

/** What the zone's clock shows in a period: steps are of the calendar, since days have 23 or 25 hours too. */
function before(last, period, back, zone) {
  if (period === "hours") return Math.floor(wall(last - back * HOUR, zone) / HOUR) * HOUR;
  const shown = wall(last, zone);
  if (period !== "months") return shown - back * (period === "weeks" ? 7 * DAY : DAY);
  const day = new Date(shown);
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() - back, 15);
}

/** The last moment before an end that was asked for, which itself is in no period; null if it cannot be read. */
function lastBefore(end, zone) {
  const at = typeof end === "number" ? end * 1000 : typeof end === "string" ? moment(end, zone) : NaN;
  return Number.isFinite(at) && Math.abs(at) < 8e15 ? at - 1 : null;
}

/** A time as the tool reads it: whole seconds, or ISO 8601, which without an offset is of the zone. */
function moment(text, zone) {
  if (/^-?\d{1,18}$/.test(text)) return Number(text) * 1000;
  const found = ISO.exec(text);
  if (!found) return NaN;
  const [year, month, day, hours, minutes, seconds] = found.slice(1, 7).map((each) => Number(each ?? 0));
  const shown = Date.UTC(year, month - 1, day, hours, minutes, seconds);
  return found[7] ? shown - offset(found[7]) : shownAt(shown, zone);
}

function offset(text) {
  const [hours, minutes, seconds] = [1, 3, 5].map((at) => Number(text.replaceAll(":", "").slice(at, at + 2)));
  return text === "Z" ? 0 : (text.startsWith("-") ? -1000 : 1000) * (hours * 3600 + minutes * 60 + seconds);
}

/** When a zone's clock shows this: of two moments the first, and in a gap as if the clock had not been put forward. */
function shownAt(shown, zone) {
  const found = [shown - DAY, shown + DAY].map((near) => shown - (wall(near, zone) - near));
  return found.find((at) => wall(at, zone) === shown) ?? found[0];
}

/** What a zone's clock shows at a moment, as if that were UTC; a zone that the browser does not know is UTC. */
function wall(at, zone) {
  const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
  try {
    const told = new Intl.DateTimeFormat("en-US", { ...parts, hourCycle: "h23", timeZone: zone }).formatToParts(at);
    const { year, month, day, hour, minute, second } = Object.fromEntries(told.map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(year, month - 1, day, hour, minute, second);
  } catch {
    return Math.floor(at / 1000) * 1000;
  }
}
