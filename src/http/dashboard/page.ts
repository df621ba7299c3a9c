import html from "./page.html" with { type: "text" };
import address from "./script/address.js" with { type: "text" };
import admin from "./script/admin.js" with { type: "text" };
import bodies from "./script/bodies.js" with { type: "text" };
import charts from "./script/charts.js" with { type: "text" };
import clients from "./script/clients.js" with { type: "text" };
import events from "./script/events.js" with { type: "text" };
import held from "./script/held.js" with { type: "text" };
import json from "./script/json.js" with { type: "text" };
import main from "./script/main.js" with { type: "text" };
import messagepack from "./script/messagepack.js" with { type: "text" };
import messages from "./script/messages.js" with { type: "text" };
import php from "./script/php.js" with { type: "text" };
import queue from "./script/queue.js" with { type: "text" };
import server from "./script/server.js" with { type: "text" };
import state from "./script/state.js" with { type: "text" };
import structure from "./script/structure.js" with { type: "text" };
import table from "./script/table.js" with { type: "text" };
import visible from "./script/visible.js" with { type: "text" };
import words from "./script/words.js" with { type: "text" };

import lists from "./style/lists.css" with { type: "text" };
import narrow from "./style/narrow.css" with { type: "text" };
import base from "./style/page.css" with { type: "text" };
import queues from "./style/queues.css" with { type: "text" };

const style = [base, queues, lists, narrow].join("\n");
const script = [
  state,
  words,
  visible,
  address,
  charts,
  server,
  table,
  json,
  structure,
  php,
  messagepack,
  bodies,
  held,
  queue,
  messages,
  clients,
  events,
  admin,
  main,
].join("\n");

/** The one page, whole: its style and its script are in it. */
export const page = (html as unknown as string) // declared as what it would be without the attribute
  .replace("<style></style>", () => `<style>${style}</style>`)
  .replace("<script></script>", () => `<script>${script}</script>`);

/** The page loads nothing from elsewhere, no other page may frame it, and no script but its own runs in it. */
export const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-cache",
  "content-security-policy": [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(script)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** The source that allows an element with this content (https://www.w3.org/TR/CSP3/#framework-directive-source-list). */
function hashOf(content: string): string {
  return `'sha256-${new Bun.CryptoHasher("sha256").update(content).digest("base64")}'`;
}
