/** The servers of the user, one of which is chosen. */
import { element, isolated } from "./elements.js";

export class ServerList {
  #client;
  #nav;
  #choose;
  #chosen = null;
  /** @type {Map<string, {button: HTMLElement, count: HTMLElement, end: () => void}>} */
  #entries = new Map();

  /**
   * @param {any} client
   * @param {HTMLElement} nav
   * @param {(serverId: string | null) => void} choose
   * @param {AbortSignal} signal
   */
  constructor(client, nav, choose, signal) {
    this.#client = client;
    this.#nav = nav;
    this.#choose = choose;
    const unsubscribe = client.servers.subscribe(this.#show);
    signal.addEventListener("abort", () => {
      unsubscribe();
      for (const { end } of this.#entries.values()) end();
    });
  }

  #show = (servers) => {
    for (const [id, { button, end }] of this.#entries) {
      if (servers.has(id)) continue;
      end();
      button.remove();
      this.#entries.delete(id);
    }
    for (const server of servers.values()) this.#put(server);
    if (!servers.has(this.#chosen)) this.#select(servers.keys().next().value ?? null);
  };

  #put(server) {
    const known = this.#entries.get(server.id);
    if (known) {
      known.button.firstElementChild.textContent = server.name;
      return;
    }
    const count = element("span", { class: "count" });
    const name = element("span", { class: "server-name" }, isolated(server.name));
    const button = element("button", { type: "button", click: () => this.#select(server.id) }, name, count);
    const end = this.#client.counts(server.id).subscribe((counts) => {
      const present = counts.total - counts.offline;
      count.textContent = String(present);
      count.title = `${present} of ${counts.total} are here`;
    });
    this.#entries.set(server.id, { button, count, end });
    this.#nav.append(button);
  }

  #select(id) {
    this.#chosen = id;
    for (const [each, { button }] of this.#entries) {
      if (each === id) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    this.#choose(id);
  }
}
