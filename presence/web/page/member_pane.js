/** The members of the chosen server: those who are here above, those who are offline below. */
import { element, isolated } from "./elements.js";
import { MemberGroup } from "./member_group.js";
import { MemberRow } from "./member_row.js";

/** A row moves no earlier than this after its change, so that lists do not flicker. */
const MOVE_AFTER = 1_000;

export class MemberPane {
  #client;
  #place;
  #footer;
  #id = null;
  /** @type {Map<string, MemberRow>} */
  #rows = new Map();
  #here = new MemberGroup("Online");
  #gone = new MemberGroup("Offline");
  /** @type {Map<string, any>} changes to paint in the next frame */
  #changed = new Map();
  /** @type {Map<string, number>} when a row may move */
  #moves = new Map();
  #frame = 0;
  #moveTimer = 0;
  #needle = "";
  #heading = element("h1");
  #summary = element("p", { class: "summary" });
  #search = element("input", {
    type: "search", placeholder: "Search by name", "aria-label": "Search members by name",
    input: () => this.#filter(),
  });
  #nobody = element("p", { class: "nobody", hidden: true }, "Nobody is called that.");
  #endCounts = () => {};

  /**
   * @param {any} client
   * @param {HTMLElement} place
   * @param {{element: HTMLElement} | null} frames the log of frames, in development mode
   * @param {AbortSignal} signal
   */
  constructor(client, place, frames, signal) {
    this.#client = client;
    this.#place = place;
    this.#footer = frames?.element;
    this.#build();
    client.on("change", ({ user }) => this.#change(user), { signal });
    client.on("memberadd", (event) => this.#memberChanged(event.serverId), { signal });
    client.on("memberremove", ({ serverId, userId }) => {
      if (serverId === this.#id) this.#remove(userId);
    }, { signal });
    const unsubscribe = client.servers.subscribe(this.#serversChanged);
    signal.addEventListener("abort", () => {
      unsubscribe();
      this.#endCounts();
      cancelAnimationFrame(this.#frame);
      clearTimeout(this.#moveTimer);
    });
    for (const event of ["pointerleave", "focusout"]) place.addEventListener(event, () => this.#moveSoon());
  }

  /** Shows the members of a server; null: there is none. @param {string | null} id */
  show(id) {
    this.#id = id;
    this.#endCounts();
    for (const group of [this.#here, this.#gone]) group.clear();
    this.#rows.clear();
    this.#changed.clear();
    this.#moves.clear();
    this.#place.classList.toggle("is-empty", id === null);
    if (id === null) {
      this.#heading.textContent = "No servers yet";
      this.#summary.textContent = "Once you are a member of a server, its members are here.";
      return;
    }
    this.#endCounts = this.#client.counts(id).subscribe(this.#count);
    this.#addMissing();
    this.#serversChanged(this.#client.servers.getSnapshot());
  }

  #build() {
    this.#place.replaceChildren(
      element("div", { class: "members-head" },
        element("div", {}, this.#heading, this.#summary), this.#search),
      element("div", { class: "groups" }, this.#here.section, this.#gone.section, this.#nobody),
      ...(this.#footer ? [this.#footer] : []));
  }

  #serversChanged = (servers) => {
    const server = servers.get(this.#id);
    if (!server) return;
    this.#heading.replaceChildren(isolated(server.name));
    if (this.#rows.size < server.memberCount) this.#addMissing();
  };

  #count = (counts) => {
    this.#here.setCount(counts.total - counts.offline);
    this.#gone.setCount(counts.offline);
    this.#summary.textContent = counts.total === 1 ? "1 member" : `${counts.total} members`;
  };

  // -- rows -----------------------------------------------------------------------------------

  #groupOf(user) {
    return user.status === "offline" ? this.#gone : this.#here;
  }

  #memberChanged(serverId) {
    if (serverId === this.#id) this.#addMissing();
  }

  #addMissing() {
    const missing = this.#client.members(this.#id, { sort: "name" }).getSnapshot()
      .filter((user) => !this.#rows.has(user.id));
    const ownId = this.#client.me.getSnapshot()?.id;
    const rows = missing.map((user) => new MemberRow(user, user.id === ownId));
    for (const row of rows) {
      this.#rows.set(row.id, row);
      row.filter(this.#needle);
    }
    for (const group of [this.#here, this.#gone]) {
      group.addAll(rows.filter((row) => this.#groupOf(row.user) === group));
    }
  }

  #remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    row.group.remove(row);
    this.#rows.delete(id);
    this.#changed.delete(id);
    this.#moves.delete(id);
  }

  #change(user) {
    if (!this.#rows.has(user.id)) return;
    this.#changed.set(user.id, user);
    this.#frame ||= requestAnimationFrame(this.#paint);
  }

  /** Paints all changes of a burst in one frame; rows that belong elsewhere move later. */
  #paint = () => {
    this.#frame = 0;
    for (const [id, user] of this.#changed) {
      const row = this.#rows.get(id);
      const isRenamed = row.user.username !== user.username;
      row.show(user);
      if (isRenamed || row.group !== this.#groupOf(user)) this.#moves.set(id, performance.now() + MOVE_AFTER);
      else this.#moves.delete(id);
    }
    this.#changed.clear();
    this.#moveSoon();
  };

  #moveSoon() {
    clearTimeout(this.#moveTimer);
    if (this.#moves.size === 0) return;
    const first = Math.min(...this.#moves.values());
    this.#moveTimer = setTimeout(this.#move, Math.max(50, first - performance.now()));
  }

  /** Moves what is due at once, but no row under the pointer or the focus. */
  #move = () => {
    const due = [...this.#moves].filter(([, at]) => at <= performance.now() + 50);
    for (const [id] of due) {
      const row = this.#rows.get(id);
      if (row.isInUse()) continue; // it moves once the pointer or the focus has left
      this.#moves.delete(id);
      row.group.remove(row);
      this.#groupOf(row.user).add(row);
    }
    const isHeld = due.some(([id]) => this.#moves.has(id));
    if (isHeld) this.#moveTimer = setTimeout(this.#move, MOVE_AFTER);
    else this.#moveSoon();
  };

  #filter() {
    this.#needle = this.#search.value.trim().toLocaleLowerCase();
    let found = 0;
    for (const row of this.#rows.values()) found += row.filter(this.#needle) ? 1 : 0;
    this.#nobody.hidden = found > 0;
  }
}
