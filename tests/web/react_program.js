/** A React application on the client; what it rendered is in `window.seen`. */
import { createElement as h, StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { createPresence } from "presence-client";
import { PresenceProvider, useConnection, useCounts, useOthers, usePresenceEvent, useSelf, useUser }
  from "presence-client/react";

window.seen = { commits: {}, torn: 0, events: [] };
const commit = (name) => { window.seen.commits[name] = (window.seen.commits[name] ?? 0) + 1; };

/** Two parts of one commit that read the same user must agree. */
let inThisCommit = new Map();
function agree(id, status) {
  if (inThisCommit.size === 0) queueMicrotask(() => { inThisCommit = new Map(); });
  if (inThisCommit.has(id) && inThisCommit.get(id) !== status) window.seen.torn += 1;
  inThisCommit.set(id, status);
}

function Dot({ id, name }) {
  const user = useUser(id);
  useEffect(() => {
    commit(name);
    agree(id, user?.status);
  });
  return h("li", { id: name }, user?.status ?? "unknown");
}

function Summary() {
  const others = useOthers("everyone", { sort: "name" });
  const counts = useCounts("everyone");
  const intent = useSelf((me) => me?.intent);
  const { state } = useConnection();
  usePresenceEvent("change", ({ user }) => { window.seen.events.push(user.id); });
  useEffect(() => commit("summary"));
  return h("p", { id: "summary" },
    `${state} ${intent} ${counts.online}/${counts.total} ${others.map((each) => each.id).join()}`);
}

function App({ client }) {
  const [count, setCount] = useState(0);
  useEffect(() => {
    client.connect();
    return () => client.disconnect();
  }, [client]);
  return h(PresenceProvider, { client },
    h("button", { onClick: () => setCount(count + 1) }, "Render"),
    h(Dot, { id: "bob", name: "first" }), h(Dot, { id: "bob", name: "second" }),
    h(Dot, { id: "carol", name: "other" }), h(Summary));
}

const client = createPresence({ url: location.href, user: "alice" });
createRoot(document.getElementById("root")).render(h(StrictMode, {}, h(App, { client })));
