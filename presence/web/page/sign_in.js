/** Asks who signs in: any user of a development server, or the holder of a token. */
import { element } from "./elements.js";

const KEY = "presence:who";
const SUGGESTIONS = ["alice", "bob", "carol"];
const ID = "[A-Za-z0-9._~@+=\\-]{1,128}";

/** Who signed in before in this tab, or whom the address of a development page names. */
export function rememberedWho(isDevelopment) {
  const named = new URLSearchParams(location.search).get("user");
  if (isDevelopment && named) return { user: named };
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

export function forgetWho() {
  sessionStorage.removeItem(KEY);
  if (location.search) history.replaceState(null, "", location.pathname);
}

/** Resolves with the options of the client that say who this is. */
export function askWho(place, { isDevelopment, problem }) {
  return new Promise((resolve) => {
    const finish = (who) => {
      sessionStorage.setItem(KEY, JSON.stringify(who));
      resolve(who);
    };
    const form = isDevelopment ? userForm(finish) : tokenForm(finish);
    place.replaceChildren(element("div", { class: "card" },
      element("h1", {}, "Presence"),
      problem && element("p", { class: "problem", role: "alert" }, problem),
      ...form));
    place.hidden = false;
    place.querySelector("input").focus();
  });
}

function userForm(finish) {
  const input = element("input", {
    id: "user", name: "user", required: true, autocomplete: "username", spellcheck: "false",
    autocapitalize: "none", pattern: ID, title: "Letters, digits and . _ ~ @ + = -",
  });
  const submit = (event) => {
    event.preventDefault();
    finish({ user: input.value });
  };
  return [
    element("p", {}, "This server runs in development mode: sign in as anybody. Each tab may be another user."),
    element("form", { submit },
      element("label", { for: "user" }, "User"),
      input,
      element("button", { class: "primary" }, "Sign in")),
    element("p", { class: "suggestions" }, "Or as ",
      ...SUGGESTIONS.flatMap((user) => [
        element("button", { type: "button", click: () => finish({ user }) }, user), " "])),
  ];
}

function tokenForm(finish) {
  const input = element("input", {
    id: "token", type: "password", required: true, autocomplete: "off", spellcheck: "false",
  });
  const submit = (event) => {
    event.preventDefault();
    finish({ token: input.value.trim() });
  };
  return [
    element("p", {}, "Paste your token. It stays in this tab."),
    element("form", { submit },
      element("label", { for: "token" }, "Token"),
      input,
      element("button", { class: "primary" }, "Sign in")),
    element("p", { class: "hint" }, "An operator prints one with ",
      element("code", {}, "presence token NAME"), "."),
  ];
}
