/** For developers: the frames that go in and out, and the commands that would do the same. */
import { element } from "./elements.js";

const MOST_LINES = 200;
const MOST_CHARACTERS = 400;

export class FrameLog {
  #lines = element("ol", { class: "frames", tabindex: "0", "aria-label": "Frames" });

  /** @param {{user?: string}} who */
  constructor({ user = "alice" }) {
    const url = location.origin;
    const { pipePort } = document.documentElement.dataset;
    const commands = [
      `curl -X PATCH '${url}/users/@me?user=${user}' -d '{"status": "dnd"}'`,
      `curl -N '${url}/events?user=${user}&device=terminal'`,
      pipePort && `nc ${location.hostname} ${pipePort}`,
    ].filter(Boolean);
    this.element = element("details", { class: "developer" },
      element("summary", {}, "For developers"),
      element("p", {}, "The same from a terminal:"),
      ...commands.map((command) => element("pre", { tabindex: "0" }, command)),
      element("p", {}, "Frames of this page:"),
      this.#lines);
  }

  log = (level, message, detail) => {
    if (level !== "debug") return;
    const line = JSON.stringify(detail);
    const shown = line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
    this.#lines.prepend(element("li", { class: message },
      element("span", { class: "direction" }, message === "sent" ? "out" : "in"), shown));
    if (this.#lines.childElementCount > MOST_LINES) this.#lines.lastElementChild.remove();
  };
}
