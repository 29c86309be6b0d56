/** Starts the page: signs in, opens the client, and shows what it knows. */
import { createPresence } from "/client.js";
import { Announcer } from "./announcer.js";
import { ConnectionBar } from "./connection_bar.js";
import { FrameLog } from "./frame_log.js";
import { MemberPane } from "./member_pane.js";
import { ServerList } from "./server_list.js";
import { askWho, forgetWho, rememberedWho } from "./sign_in.js";
import { StatusMenu } from "./status_menu.js";
import { TitleAndIcon } from "./title_and_icon.js";

const byId = (id) => document.getElementById(id);
const isDevelopment = document.documentElement.dataset.mode === "development";

async function start() {
  let who = rememberedWho(isDevelopment);
  let problem = "";
  for (;;) {
    who ??= await askWho(byId("sign-in"), { isDevelopment, problem });
    problem = await stay(who);
    forgetWho();
    who = null;
  }
}

/** Shows the application until the user leaves; returns the problem that ended it, if any. */
function stay(who) {
  return new Promise((resolve) => {
    const frames = isDevelopment ? new FrameLog(who) : null;
    const client = createPresence({ ...who, log: frames?.log });
    const leave = (problem = "") => {
      client.destroy();
      for (const id of ["app", "connection-bar"]) byId(id).hidden = true;
      for (const id of ["servers", "own", "members"]) byId(id).replaceChildren();
      ends.abort();
      resolve(problem);
    };
    const ends = new AbortController();
    const announcer = new Announcer(byId("announcer"));
    const pane = new MemberPane(client, byId("members"), frames, ends.signal);
    new ServerList(client, byId("servers"), (id) => pane.show(id), ends.signal);
    new StatusMenu(client, byId("own"), announcer, () => leave(), ends.signal);
    new ConnectionBar(client, byId("connection-bar"), announcer, leave, ends.signal);
    new TitleAndIcon(client, byId("icon"), ends.signal);
    client.connect();
    byId("sign-in").hidden = true;
    byId("app").hidden = false;
  });
}

start();
