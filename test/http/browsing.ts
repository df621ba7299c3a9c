/** A server with its page in Chromium, for the checks of the page that are no part of `bun test`. */
import assert from "node:assert/strict";
import { join } from "node:path";

import type { Address } from "../server/client.ts";

const project = join(import.meta.dir, "../..");
const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
/** How long the page has until it shows what it should, in milliseconds. */
const PATIENCE = 15_000;

export interface Browsing {
  child: Bun.Subprocess;
  address: Address;
  site: string;
  view: Bun.WebView;
  /** What the script in the page gives. */
  see<T>(script: string): Promise<T>;
  /** Waits until the script gives something that is true. */
  until(what: string, script: string): Promise<void>;
  /** Does a test; after it the browser's console has no errors. */
  check(what: string, test: () => Promise<void>): Promise<void>;
  emulate(scheme: "light" | "dark", width: number, height: number): Promise<void>;
  /** Leaves a picture of what is seen in the folder. */
  picture(name: string): Promise<void>;
  end(): void;
}

/** The text of what the selector finds, as a script. */
export const shown = (selector: string) =>
  `document.querySelector(${JSON.stringify(selector)}).innerText`;

/** @param folder for pictures @param name of the server's directory in it */
export async function browse(
  folder: string,
  name: string,
  flags: readonly string[] = [],
): Promise<Browsing> {
  const home = join(folder, name);
  const { child, address, site } = await startServer(home, flags);
  const complaints: string[] = [];
  const view = new Bun.WebView({
    width: 1280,
    height: 1000,
    // The sandbox of Chromium does not work for root.
    backend: { type: "chrome", url: false, argv: ["--no-sandbox", "--disable-gpu"] },
    console: (type, ...args) => void (type === "error" && complaints.push(args.join(" "))),
  });
  const see = <T>(script: string) => view.evaluate(script) as Promise<T>;
  return {
    child,
    address,
    site,
    view,
    see,
    async until(what, script) {
      for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; await Bun.sleep(50)) {
        if (await see(script)) return;
      }
      const text = await see("document.body.innerText");
      assert.fail(`not within ${PATIENCE} ms: ${what}; the page says:\n${text}`);
    },
    async check(what, test) {
      await test();
      assert.deepEqual(complaints, [], `after: ${what}`);
      console.log(`ok: ${what}`);
    },
    async emulate(scheme, width, height) {
      await view.cdp("Emulation.setEmulatedMedia", {
        features: [{ name: "prefers-color-scheme", value: scheme }],
      });
      await view.cdp("Emulation.setDeviceMetricsOverride", {
        width,
        height,
        deviceScaleFactor: 1,
        mobile: width < 700,
      });
    },
    async picture(name) {
      await Bun.write(join(folder, `${name}.png`), await view.screenshot());
    },
    end() {
      child.kill("SIGKILL");
      view.close();
    },
  };
}

async function startServer(home: string, more: readonly string[]) {
  const flags = ["-v", "-u", user, "-l", "127.0.0.1", "-p", "0", "-H", home, "-B", "65536"];
  const command = [process.execPath, join(project, "src/main.ts"), ...flags];
  const child = Bun.spawn([...command, "--http", "0", "--http-admin", ...more], { stderr: "pipe" });
  const decoder = new TextDecoder();
  let log = "";
  for await (const chunk of child.stderr) {
    log += decoder.decode(chunk, { stream: true });
    const [, port] = /listening on 127\.0\.0\.1:(\d+)\n/.exec(log) ?? [];
    const [, http] = /listening on http 127\.0\.0\.1:(\d+)\n/.exec(log) ?? [];
    if (port === undefined || http === undefined) continue;
    return {
      child,
      address: { hostname: "127.0.0.1", port: Number(port) },
      site: `http://127.0.0.1:${http}/`,
    };
  }
  throw new Error(`the server did not start: ${log}`);
}
