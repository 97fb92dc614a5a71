// What pages do beyond forms and links. Everything works without it, only less comfortably.

/** A form that was sent is not sent again by a second click. */
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => setTimeout(() => form.querySelectorAll("button").forEach((b) => (b.disabled = true))));
}

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
    place.innerHTML = html;
  });
  stream.addEventListener("end", () => stream.close());
  const said = live.querySelector("[data-live-state]");
  if (said) {
    stream.addEventListener("open", () => { said.textContent = "Live"; said.className = "live on"; });
    stream.addEventListener("error", () => { said.textContent = "Reconnecting"; said.className = "live"; });
    stream.addEventListener("end", () => { said.textContent = "Ended"; said.className = "live"; });
  }
  addEventListener("pagehide", () => stream.close());
}
