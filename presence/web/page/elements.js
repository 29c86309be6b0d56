/**
 * Builds elements from text and other elements. Nothing here reads markup, so that no text of a
 * user can become any.
 */

/**
 * @param {string} name
 * @param {Record<string, any>} [attributes] a function listens to the event of that name
 * @param {...(Node | string | null | undefined | false)} children
 */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) setAttribute(node, key, value);
  node.append(...children.filter((child) => child || child === ""));
  return node;
}

function setAttribute(node, key, value) {
  if (typeof value === "function") node.addEventListener(key, value);
  else if (value === true) node.setAttribute(key, "");
  else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
}

/** A text of a user, which keeps its own direction. @param {string} text */
export const isolated = (text) => element("bdi", {}, text);

const SVG = "http://www.w3.org/2000/svg";

/** The mark of a status, for the eye alone: a word stands beside it. @param {string} status */
export function buildMark(status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "use"));
  setMark(svg, status);
  return svg;
}

/** @param {Element} svg @param {string} status */
export function setMark(svg, status) {
  svg.setAttribute("class", `mark mark-${status}`);
  svg.firstElementChild.setAttribute("href", `#mark-${status}`);
}

/** A round picture of a user: the first letters of the name, in a colour of the id. */
export function buildAvatar(id, name) {
  return element("span", {
    class: `avatar hue-${hueOf(id)}`, "data-letters": lettersOf(name), "aria-hidden": "true",
  });
}

const segments = new Intl.Segmenter();

/** @param {string} name */
export function lettersOf(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean);
  const firsts = words.slice(0, 2).map((word) => [...segments.segment(word)][0]?.segment ?? "");
  return firsts.join("").toLocaleUpperCase();
}

function hueOf(id) {
  let sum = 7;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return sum % 10;
}
