/*
 * The address bar says what is shown: `?filter=mail&sort=age&order=ascending#jobs`. What is behind the # are the bytes of
 * a name, percent-encoded but for those that need not be.
 */

function linkOf(name) {
  const encode = (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  return name.replace(/[^\w.~!$&'()*+,;=:@?-]/g, encode);
}

/** The name in a link, a character for each byte. A percent sign that encodes nothing is itself. */
function nameIn(link) {
  const bytes = link
    .match(/%[0-9a-f]{2}|[^]/giu)
    ?.flatMap((part) =>
      part.length === 3 ? [parseInt(part.slice(1), 16)] : [...new TextEncoder().encode(part)],
    );
  return bytes?.map((byte) => String.fromCharCode(byte)).join("");
}

function addressOf(name) {
  const query = new URLSearchParams();
  if ($("filter").value !== "") query.set("filter", $("filter").value);
  if (sort.key !== "messages" || !sort.descending) {
    query.set("sort", sort.key);
    query.set("order", sort.descending ? "descending" : "ascending");
  }
  if ($("span").value !== "minutes") query.set("span", $("span").value);
  const search = query.size === 0 ? "" : `?${query}`;
  return `${location.pathname}${search}${name === undefined ? "" : `#${linkOf(name)}`}`;
}

/** After the filter, the order or the span was changed. */
function keepAddress() {
  history.replaceState(null, "", addressOf(chosen));
}

/** Shows what the address says: at the start, and when it was changed by the user or by Back. */
function followAddress() {
  const query = new URLSearchParams(location.search);
  const key = query.get("sort") ?? "messages";
  $("filter").value = query.get("filter") ?? "";
  const span = query.get("span");
  $("span").value = span in SPANS ? span : "minutes";
  if (columns.some((column) => column.key === key))
    sort = { key, descending: query.get("order") !== "ascending" };
  from = 0;
  showChosen(nameIn(location.hash.slice(1)));
}
