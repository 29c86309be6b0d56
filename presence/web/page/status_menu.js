/** The button with one's own status at the bottom left, and the dialog that it opens. */
import { durations } from "/client.js";
import { CustomStatus } from "./custom_status.js";
import { buildAvatar, buildMark, element, isolated } from "./elements.js";
import { Reasons } from "./reasons.js";
import { StatusChoice } from "./status_choice.js";
import { ownStatus } from "./words.js";

export class StatusMenu {
  #client;
  #announcer;
  #button = element("button", {
    type: "button", class: "own-button", "aria-haspopup": "dialog", "aria-expanded": "false",
    "aria-controls": "status-menu", click: () => this.#toggle(),
  });
  #dialog;
  #choice;
  #custom;
  #reasons;
  #hidden;
  #problem = element("p", { class: "problem", role: "alert", hidden: true });

  /**
   * @param {any} client
   * @param {HTMLElement} place
   * @param {{say: (sentence: string) => void}} announcer
   * @param {() => void} leave signs out
   * @param {AbortSignal} signal
   */
  constructor(client, place, announcer, leave, signal) {
    this.#client = client;
    this.#announcer = announcer;
    this.#choice = new StatusChoice(durations, (change) => this.#set(change));
    this.#custom = new CustomStatus(durations, (change) => this.#set(change));
    this.#reasons = new Reasons(() => client.explain());
    this.#hidden = element("div", { class: "appear-offline", hidden: true },
      element("p", {}, "You appear offline to everybody, whatever you choose."),
      element("button", { type: "button", click: () => this.#set({ appearOffline: false }) },
        "Stop appearing offline"));
    this.#dialog = element("div", {
      id: "status-menu", class: "menu", role: "dialog", "aria-labelledby": "status-menu-title",
      hidden: true, keydown: (event) => this.#onKey(event),
    },
      element("h2", { id: "status-menu-title" }, "Your status"),
      this.#hidden, this.#choice.element, this.#custom.element, this.#reasons.element, this.#problem,
      element("button", { type: "button", class: "quiet sign-out", click: leave }, "Sign out"));
    place.append(this.#dialog, this.#button);
    const unsubscribe = client.me.subscribe(this.#show);
    signal.addEventListener("abort", unsubscribe);
    document.addEventListener("pointerdown", (event) => {
      if (this.#isOpen && !place.contains(/** @type {Node} */ (event.target))) this.#close();
    }, { signal });
  }

  get #isOpen() {
    return !this.#dialog.hidden;
  }

  #toggle() {
    if (this.#isOpen) {
      this.#close();
      return;
    }
    this.#dialog.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.#problem.hidden = true;
    this.#show(this.#client.me.getSnapshot());
    this.#custom.reset();
    this.#choice.focus();
  }

  #close() {
    this.#choice.commit();
    this.#dialog.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    this.#reasons.close();
  }

  #onKey(event) {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      this.#choice.takeBack();
      this.#close();
      this.#button.focus();
    } else if (event.key === "Tab") this.#keepFocusInside(event);
  }

  #keepFocusInside(event) {
    const all = [...this.#dialog.querySelectorAll("button, input, select, summary")]
      .filter((each) => each.offsetParent !== null && !each.disabled
        && (each.type !== "radio" || each.checked));
    const [edge, other] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
    if (document.activeElement !== edge) return;
    event.preventDefault();
    other.focus();
  }

  #show = (me) => {
    if (!me) return;
    const words = ownStatus(me);
    const text = me.customStatus;
    // The name of the button is its text: what is seen, and what it does.
    this.#button.replaceChildren(
      element("span", { class: "picture" }, buildAvatar(me.id, me.username), buildMark(me.status)),
      element("span", { class: "name" }, isolated(me.username), unseen(",")),
      element("span", { class: "line" },
        words, ...(text ? [", ", isolated(text)] : []), unseen(", change status")));
    this.#hidden.hidden = !me.appearOffline;
    this.#choice.show(me);
    this.#custom.show(me);
    if (this.#isOpen) this.#reasons.refresh();
  };

  async #set(change) {
    this.#problem.hidden = true;
    try {
      const me = await this.#client.set(change);
      this.#announcer.say(sentenceFor(change, me));
    } catch (error) {
      this.#problem.textContent = error.message;
      this.#problem.hidden = false;
      this.#show(this.#client.me.getSnapshot());
    }
  }
}

/** Text for screen readers alone, in the line, so that no space comes before it. */
const unseen = (text) => element("span", { class: "unseen" }, text);

function sentenceFor(change, me) {
  if (change.appearOffline === false) return "You no longer appear offline.";
  if ("status" in change) return `Your status is ${ownStatus(me)}.`;
  return me.customStatus ? "Your custom status is saved." : "Your custom status is cleared.";
}
