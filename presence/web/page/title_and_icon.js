/** Shows one's own status in the title and the icon of the tab. */
import { ownStatus } from "./words.js";

const COLOURS = { online: "#22a355", away: "#e08a00", dnd: "#e03c3c", offline: "#868e99" };
const SHAPES = {
  online: '<circle cx="6" cy="6" r="6"/>',
  away: '<path d="M4.6.2A6 6 0 1 0 11.8 7.4 4.9 4.9 0 0 1 4.6.2z"/>',
  dnd: '<path fill-rule="evenodd" d="M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM2.6 4.9h6.8v2.2H2.6z"/>',
  offline: '<circle cx="6" cy="6" r="4.7" fill="none" stroke="#868e99" stroke-width="2.5"/>',
};

export class TitleAndIcon {
  #client;
  #icon;

  /** @param {any} client @param {HTMLLinkElement} icon @param {AbortSignal} signal */
  constructor(client, icon, signal) {
    this.#client = client;
    this.#icon = icon;
    const ends = [client.me.subscribe(this.#show), client.connection.subscribe(this.#show)];
    signal.addEventListener("abort", () => {
      for (const end of ends) end();
      this.#set("Presence", "offline");
    });
  }

  #show = () => {
    const me = this.#client.me.getSnapshot();
    const { state, isStale } = this.#client.connection.getSnapshot();
    if (state !== "live" && isStale) this.#set("Reconnecting, Presence", "offline");
    else if (me) this.#set(`${ownStatus(me)}, ${me.username}, Presence`, me.status);
    else this.#set("Presence", "offline");
  };

  #set(title, status) {
    document.title = title;
    const shape = SHAPES[status];
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 14 14"><g fill="${COLOURS[status]}">${shape}</g></svg>`;
    this.#icon.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  }
}
