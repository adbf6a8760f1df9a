"use strict";
// Whatever comes from elsewhere becomes text, never markup: nodes are made here, and nowhere else.

const SVG = "http://www.w3.org/2000/svg";
// Bidirectional controls, and what has no look of its own; joiners stay, since emoji and scripts need them.
const UNSEEN = /[\p{Cc}\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;
const LONGEST = 2_000;

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** What others wrote as one readable text: hidden characters by their number, no more than can be read. */
function plain(value, longest = LONGEST) {
  const text = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  const whole = text.slice(0, longest).replace(UNSEEN, (hidden) => `\\u{${hidden.codePointAt(0).toString(16)}}`);
  return text.length > longest ? `${whole}…` : whole;
}

/** The same, kept from turning the direction of what stands beside it. */
function theirs(value, longest) {
  return make("bdi", {}, plain(value, longest));
}

function words(name) {
  const text = plain(name, 60).replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

/** Pairs as a description list; a pair without a value is left out. */
function described(pairs, attributes = {}) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return shown.length ? make("dl", { class: "pairs", ...attributes }, shown.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])) : null;
}

/** An error of the call, in the words of this server. */
function failure(error) {
  const told = isObject(error) ? error : {};
  return make("section", { class: "note", "data-tone": "bad", role: "alert" },
    make("h1", {}, "The call did not succeed"),
    make("p", {}, theirs(told.message ?? "The call failed.", 600)),
    told.next_step ? make("p", { class: "quiet" }, theirs(told.next_step, 600)) : null,
    told.code ? make("p", { class: "quiet" }, make("code", {}, plain(told.code, 60))) : null);
}
