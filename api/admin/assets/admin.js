// What pages do beyond forms and links. Everything works without it, only less comfortably.

/** A form that was sent is not sent again by a second click; live parts bring forms of their own. */
document.addEventListener("submit", ({ target }) => {
  if (target.method === "post") setTimeout(() => target.querySelectorAll("button").forEach((b) => (b.disabled = true)));
});

/** Only one unfolded panel at a time; Escape folds it and gives the focus back. */
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details.act") || !event.target.open) return;
  for (const other of document.querySelectorAll("details.act[open]")) if (other !== event.target) other.open = false;
  event.target.querySelector("input:not([type=hidden])")?.focus();
}, true);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.act[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

/** Rows chosen for doing one thing to many: `data-choose` is the box for all, `data-chosen` shows how many. */
for (const all of document.querySelectorAll("input[data-choose]")) {
  const boxes = [...document.querySelectorAll(`input[name="${all.dataset.choose}"]`)];
  const shown = document.querySelectorAll("[data-chosen]");
  const count = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length && chosen > 0;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    for (const place of shown) place.textContent = chosen ? `${chosen} chosen` : "none chosen";
  };
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; count(); });
  for (const box of boxes) box.addEventListener("change", count);
  count();
}

/** A part of a page that the server keeps up to date: `data-live` is the address of its event stream. Each event
 *  `part` holds the id of an element and its new inside; a panel that is being filled in stays as it is. */
for (const live of document.querySelectorAll("[data-live]")) {
  const stream = new EventSource(live.dataset.live);
  stream.addEventListener("part", (event) => {
    const { id, html } = JSON.parse(event.data);
    const place = document.getElementById(id);
    if (!place || place.contains(document.activeElement?.closest("details.act[open]") ?? null)) return;
    const unfolded = [...place.querySelectorAll("details[open][id]")].map((one) => one.id);
    place.innerHTML = html;
    for (const one of unfolded) document.getElementById(one)?.setAttribute("open", "");
  });
  stream.addEventListener("end", () => stream.close());
  const said = live.querySelector("[data-live-state]");
  if (said) {
    stream.addEventListener("open", () => { said.textContent = "Live"; said.className = "live on"; });
    stream.addEventListener("error", () => {
      said.textContent = stream.readyState === EventSource.CLOSED ? "Not live any more: load this page again" : "Reconnecting";
      said.className = "live";
    });
    stream.addEventListener("end", () => { said.textContent = "Ended"; said.className = "live"; });
  }
  addEventListener("pagehide", () => stream.close());
}

/** Recovery: how long until something happens, counted down, in the words of core/formatting.py (format_duration). */
const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const until = (seconds) => {
  const first = units.findIndex(([size]) => seconds >= size);
  const said = [];
  for (const [size, unit] of units.slice(first, first + 2)) {
    if (seconds >= size) said.push(`${Math.floor(seconds / size)} ${unit}`);
    seconds %= size;
  }
  return `in ${said.join(" ")}`;
};
const tick = () => {
  for (const place of document.querySelectorAll("[data-until]")) {
    const seconds = Math.round((Date.parse(place.dataset.until) - Date.now()) / 1000);
    const text = seconds > 0 ? until(seconds) : "now";
    if (place.textContent !== text) place.textContent = text;
  }
};
if (document.querySelector("[data-until], [data-live]")) { tick(); setInterval(tick, 1000); }
