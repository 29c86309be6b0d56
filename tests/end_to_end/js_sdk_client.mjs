// A program on matrix-js-sdk. Usage: node js_sdk_client.mjs SDK SERVER USER. It logs in, syncs,
// prints what it is told as lines of JSON, and obeys the words on its standard input.
import readline from "node:readline";
import { pathToFileURL } from "node:url";

// The library writes to the console whatever logger it is given; standard output is ours.
for (const name of ["log", "debug", "info", "warn", "error", "trace"]) console[name] = () => {};


const [sdkPath, baseUrl, user] = process.argv.slice(2);
const sdk = await import(pathToFileURL(sdkPath));
const say = (told) => process.stdout.write(JSON.stringify(told) + "\n");

const anonymous = sdk.createClient({ baseUrl });
const login = await anonymous.loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password: "any password",
});
const client = sdk.createClient({
    baseUrl,
    accessToken: login.access_token,
    userId: login.user_id,
    deviceId: login.device_id,
});
say({ logged_in: login.user_id });
client.on("User.presence", (event, about) => {
    say({ event: about.userId, presence: about.presence, text: about.presenceStatusMsg ?? null });
});
client.on("sync", (state) => say({ sync: state }));
await client.startClient({ pollTimeout: 10_000 });

const obey = {
    async set(presence, ...words) {
        await client.setSyncPresence(presence);
        await client.setPresence({ presence, status_msg: words.join(" ") });
        say({ set: presence });
    },
    async get(about) {
        const found = await client.getPresence(about);
        say({ get: found.presence, text: found.status_msg ?? null, ago: found.last_active_ago ?? null });
    },
    async quit() {
        client.stopClient();
        process.exit(0);
    },
};
for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, ...rest] = line.trim().split(" ");
    await obey[word](...rest);
}
