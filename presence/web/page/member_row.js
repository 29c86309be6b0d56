/** One member: picture, mark, name, and a line with status and texts. */
import { buildAvatar, buildMark, element, isolated, setMark } from "./elements.js";
import { memberLine } from "./words.js";

export class MemberRow {
  /** @type {any} the group in which the row stands */
  group = null;
  #mark;
  #name;
  #line = element("span", { class: "line" });

  /** @param {any} user @param {boolean} isSelf */
  constructor(user, isSelf) {
    this.user = user;
    this.id = user.id;
    this.#mark = buildMark(user.status);
    this.#name = isolated(user.username);
    this.element = element("li", { class: "row", "data-user": user.id },
      element("span", { class: "picture" }, buildAvatar(user.id, user.username), this.#mark),
      element("span", { class: "name" }, this.#name, isSelf && element("span", { class: "you" }, "you")),
      this.#line);
    this.#showLine();
  }

  /** The name that the row is sorted by. */
  get name() {
    return this.user.username;
  }

  /** @param {any} user */
  show(user) {
    if (user.username !== this.user.username) this.#name.textContent = user.username;
    this.user = user;
    setMark(this.#mark, user.status);
    this.#showLine();
  }

  /** Hides the row unless its name holds *needle*. @param {string} needle */
  filter(needle) {
    const isFound = this.user.username.toLocaleLowerCase().includes(needle)
      || this.id.toLocaleLowerCase().includes(needle);
    this.element.hidden = !isFound;
    return isFound;
  }

  isInUse() {
    return this.element.matches(":hover, :focus-within");
  }

  #showLine() {
    const parts = memberLine(this.user);
    this.#line.replaceChildren(...parts.flatMap((part, index) => (
      index === 0 ? [part] : [", ", isolated(part)])));
    this.#line.title = parts.slice(1).join(", ");
  }
}
