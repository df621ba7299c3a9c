import text from "./page.html" with { type: "text" };

/** The one page, whole: its style and its script are in it. */
export const page = text as unknown as string; // declared as what it would be without the attribute

/** The page loads nothing from elsewhere, no other page may frame it, and no script but its own runs in it. */
export const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-cache",
  "content-security-policy": [
    "default-src 'none'",
    `style-src ${hashOf("style")}`,
    `script-src ${hashOf("script")}`,
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

/** The source that allows the one element of that kind (https://www.w3.org/TR/CSP3/#framework-directive-source-list). */
function hashOf(element: "style" | "script"): string {
  const start = page.indexOf(">", page.indexOf(`<${element}`)) + 1;
  const content = page.slice(start, page.indexOf(`</${element}>`, start));
  return `'sha256-${new Bun.CryptoHasher("sha256").update(content).digest("base64")}'`;
}
