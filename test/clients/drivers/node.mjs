// memjs, memcached and memcache, found from the working directory, as drivers: node.mjs <client> <dialect> <port>;
// see ../driver.ts
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { isDeepStrictEqual, promisify } from "node:util";

const [, , client, , port] = process.argv;
const require = createRequire(`${process.cwd()}/`);
const address = `127.0.0.1:${port}`;

const VALUES = {
  integer: 1_234_567,
  text: "grün und blau",
  array: [1, "zwei", null, [3.5]],
  object: { x: 3, y: -4 },
  large: "again and ".repeat(600),
};

/** What a client is asked for; a string in place of a function says why it cannot. */
const clients = {
  memjs() {
    const queue = require("memjs").Client.create(address, { logger: { log() {} } });
    return {
      set: (name, body) => queue.set(name, body),
      get: async (name) => (await queue.get(name)).value ?? undefined,
      many: "it has no get of several keys",
      give: "it takes bytes and strings only",
      delete: (name) => queue.delete(name),
      stats: async (words) => {
        const told = promisify((done) =>
          queue.statsWithKey(words.join(" "), (error, _, stats) => done(error, stats)),
        );
        return await told();
      },
    };
  },

  memcached() {
    const Memcached = require("memcached");
    const queue = new Memcached(address, { retries: 0, retry: 100, failures: 1000 });
    const call = (name) => promisify(queue[name].bind(queue));
    return {
      set: (name, body) => call("set")(name, body.toString(), 0),
      get: (name) => call("get")(name),
      many: (names) => call("getMulti")(names),
      give: (name, value) => call("set")(name, value, 0),
      delete: (name) => call("del")(name),
      stats: async (words) =>
        words.length > 0 ? "its stats takes no arguments" : (await call("stats")())[0],
    };
  },

  memcache() {
    const { Memcache } = require("memcache");
    const queue = new Memcache(address);
    queue.on("error", () => {});
    const text = (value) => (value === undefined ? undefined : Buffer.from(value));
    return {
      set: (name, body) => queue.set(name, body.toString()),
      get: async (name) => text(await queue.get(name)),
      many: async (names) => {
        const found = [...(await queue.gets(names))];
        return Object.fromEntries(found.map(([name, value]) => [name, text(value)]));
      },
      give: "it takes strings only",
      delete: (name) => queue.delete(name),
      stats: async (words) =>
        Object.fromEntries([...(await queue.stats(words.join(" ")))])[address],
    };
  },
};

function pairs(values, form = (value) => value) {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}=${form(value)}`)
    .join("");
}

const encode = (body) => Buffer.from(body).toString("base64");

async function answer(queue, command, words) {
  const [name, word] = words;
  if (typeof queue[command] === "string") return `cannot ${queue[command]}`;
  switch (command) {
    case "set":
      return (await queue.set(name, Buffer.from(word, "base64"))) ? "stored" : "not stored";
    case "get": {
      const body = await queue.get(name);
      return body === undefined ? "none" : `body ${encode(body)}`;
    }
    case "many":
      return `many${pairs(await queue.many(words), encode)}`;
    case "give":
      return (await queue.give(name, VALUES[word])) ? "stored" : "not stored";
    case "match": {
      const value = await queue.get(name);
      return isDeepStrictEqual(value, VALUES[word]) ? "same" : `other ${JSON.stringify(value)}`;
    }
    case "delete":
      return (await queue.delete(name)) ? "deleted" : "missing";
    case "stats": {
      const told = await queue.stats(words);
      return typeof told === "string" ? `cannot ${told}` : `stats${pairs(told)}`;
    }
  }
  return `error what is ${command}?`;
}

const queue = clients[client]();
const manifest = readFileSync(`node_modules/${client}/package.json`, "utf8");
console.log(`ready ${JSON.parse(manifest).version}`);
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.split(" ");
  const text = await answer(queue, command, words).catch(
    (error) => `error ${error.message ?? error}`,
  );
  console.log(text.replaceAll(/\s+/g, " "));
}
process.exit(0);
