// What the pages do beyond HTML. Everything that reads works without it, and every form can be sent without it.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The reader's zone, so that the server can write times in it.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const known = document.cookie.split("; ").find((one) => one.startsWith("postroom_zone="));
    if (known !== `postroom_zone=${zone}`) document.cookie = `postroom_zone=${zone}; path=/; samesite=lax; max-age=31536000`;
  }

  // Times: relative ones go on, exact ones are in the reader's zone.
  const exactly = new Intl.DateTimeFormat(undefined, { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
  const span = (seconds) => {
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) if (seconds >= 2 * length) return `${Math.round(seconds / length)}\u202f${unit}`;
    return `${Math.round(seconds)}\u202fs`;
  };
  // The server's clock counts: what it said at loading, and what has passed here since.
  const served = Number(root.dataset.now) || Date.now();
  const loaded = performance.now();
  const now = () => served + performance.now() - loaded;
  const near = (moment) => {
    const seconds = (now() - moment) / 1000;
    if (Math.abs(seconds) < 2) return "just now";
    return seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`;
  };
  const tick = () => {
    for (const one of $$("time[data-time]")) {
      const moment = Date.parse(one.dateTime);
      if (Number.isNaN(moment)) continue;
      const [shown, hover] = one.dataset.time === "absolute" ? [null, near(moment)] : [near(moment), exactly.format(moment)];
      if (shown !== null && one.textContent !== shown) one.textContent = shown;
      if (one.title !== hover) one.title = hover;
    }
  };
  tick();
  setInterval(() => { if (!document.hidden) tick(); }, 1000);
  document.addEventListener("htmx:afterSettle", tick);

  // Toasts.
  const toast = (text, tone = "note") => {
    const place = $("#toasts");
    if (!place || !text) return;
    const one = document.createElement("div");
    one.className = `toast ${tone}`;
    one.textContent = text;
    place.append(one);
    setTimeout(() => one.remove(), 8000);
  };
  document.addEventListener("htmx:responseError", (event) => {
    const made = document.createElement("template");
    made.innerHTML = event.detail.xhr.responseText;
    const said = made.content.querySelector("[data-refusal]");
    toast(said ? said.textContent.trim() : `The server answered ${event.detail.xhr.status}.`, "bad");
  });
  document.addEventListener("htmx:sendError", () => toast("The service cannot be reached; what you see may be old.", "bad"));

  // What a page asks for by itself is no use of the session by a person.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.triggeringEvent && event.detail.triggeringEvent.type === "refresh") event.detail.headers["X-Postroom-Background"] = "1";
  });

  // Parts that are renewed: data-every="5" seconds, while the page is seen and nothing in the part is in use.
  const since = new WeakMap();
  const busy = (part) => part.contains(document.activeElement) && document.activeElement !== part || $("details.confirm[open]", part) || (String(getSelection()) && part.contains(getSelection().anchorNode));
  setInterval(() => {
    if (document.hidden || root.dataset.live === "off") return;
    for (const part of $$("[data-every]")) {
      const last = since.get(part) ?? performance.now();
      if (!since.has(part)) since.set(part, last);
      if (performance.now() - last < Number(part.dataset.every) * 1000 || busy(part) || $("details[open]", part) || $(".slot:hover", part)) continue;
      since.set(part, performance.now());
      part.dispatchEvent(new CustomEvent("refresh"));
    }
  }, 500);

  // The live stream: a dot that tells whether it is there, and a bar that tells of what has come in meanwhile.
  const dot = (on) => { for (const one of $$("[data-live]")) { one.classList.toggle("on", on); one.textContent = on ? "Live" : "Not live"; } };
  document.addEventListener("htmx:sseOpen", () => dot(true));
  document.addEventListener("htmx:sseError", () => dot(false));
  document.addEventListener("htmx:sseClose", () => dot(false));
  // A part that somebody is in stays as it is until they leave it: nothing moves that is being read or used.
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    const part = event.target;
    if (busy(part) || $("details[open]", part) || $(".slot:hover", part)) event.preventDefault();
  });
  document.addEventListener("htmx:sseMessage", (event) => {
    if (event.detail.type === "signed-out") location.reload();
    if (event.detail.type === "arrived") {
      const bar = $("[data-arrived]");
      if (bar) { bar.hidden = false; bar.dataset.count = Number(bar.dataset.count || 0) + 1; bar.textContent = `${bar.dataset.count} new: show`; }
    }
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-arrived]")) location.reload(); });
  // A hidden page needs no stream: browsers allow few connections to one server. Back again, it catches up.
  let last = "";
  document.addEventListener("htmx:sseMessage", (event) => { last = event.detail.lastEventId || last; });
  document.addEventListener("visibilitychange", () => {
    for (const one of $$("[sse-connect]")) {
      if (document.hidden) { htmx.trigger(one, "htmx:beforeCleanupElement"); dot(false); continue; }
      const url = new URL(one.getAttribute("sse-connect"), location);
      if (last) url.searchParams.set("after", last);
      one.setAttribute("sse-connect", url.pathname + url.search);
      htmx.trigger(one, "htmx:afterProcessNode");
    }
  });

  // Confirmations become dialogs: focus is held, Escape closes, and the button gets the focus back.
  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (!(details instanceof HTMLDetailsElement) || !details.classList.contains("confirm") || !details.open) return;
    const panel = $(".confirm-panel", details);
    if (!panel || panel.closest("dialog")) return;
    const dialog = document.createElement("dialog");
    const title = $("h2", panel);
    if (title) { title.id ||= `dialog-${Math.random().toString(36).slice(2)}`; dialog.setAttribute("aria-labelledby", title.id); }
    details.append(dialog);
    dialog.append(panel);
    dialog.addEventListener("close", () => { details.append(panel); dialog.remove(); details.open = false; $("summary", details).focus(); });
    dialog.addEventListener("click", (click) => { if (click.target === dialog || click.target.closest("[data-close]")) { click.preventDefault(); dialog.close(); } });
    dialog.showModal();
    ($("input:not([type=hidden]), textarea, select", panel) || $("button", panel))?.focus();
  }, true);
  document.addEventListener("input", (event) => {
    const word = event.target.dataset?.word;
    if (word === undefined) return;
    const button = $("button[type=submit], button:not([type])", event.target.form);
    if (button) button.setAttribute("aria-disabled", String(event.target.value.trim() !== word));
  });

  // Copying.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText($(button.dataset.copy, button.parentElement).textContent);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  });

  // The theme at once; the form keeps the choice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.theme === undefined) return;
    event.preventDefault();
    const theme = event.submitter.value;
    root.dataset.theme = theme;
    document.cookie = `postroom_theme=${theme}; path=/; samesite=lax; max-age=31536000`;
    for (const button of $$("button", form)) button.setAttribute("aria-pressed", String(button.value === theme));
  });

  // A form is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.target) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });
  addEventListener("pageshow", () => { for (const form of $$("form[data-sent]")) delete form.dataset.sent; });

  // Filters that are chosen apply at once.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form && event.target.matches("select, input[type=checkbox], input[type=radio], input[type=date]")) form.requestSubmit();
  });

  // Rows: j and k go from link to link, x ticks the row's box.
  const walk = (rows, key) => {
    const links = $$(".row-link", rows);
    const at = links.indexOf(document.activeElement);
    if (key === "x") { if (at >= 0) $("input[type=checkbox]", links[at].closest("tr"))?.click(); return; }
    links[Math.min(links.length - 1, Math.max(0, at + (key === "j" ? 1 : -1)))]?.focus();
  };

  // Keys: an element with data-key="j" is clicked (or focused, if it is a field) by that key.
  const typing = (element) => element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") { if (typing(event.target)) event.target.blur(); if (location.hash === "#menu") location.hash = ""; return; }
    if (typing(event.target) || $("dialog[open]")) return;
    const rows = $("[data-rows]");
    if (rows && "jkx".includes(event.key) && event.key.length === 1) { event.preventDefault(); walk(rows, event.key); return; }
    const found = $(`[data-key="${CSS.escape(event.key)}"]`);
    if (!found) return;
    event.preventDefault();
    // What needs a note goes to the note first.
    const needed = found.dataset.needs && document.getElementById(found.dataset.needs);
    if (needed && !needed.value.trim()) { needed.focus(); return; }
    if (found.matches("input, textarea, select")) found.focus(); else found.click();
  });

  // All boxes of a table at once.
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (!form) return;
    if (event.target.matches("[data-all]")) for (const box of $$(`input[name="${event.target.dataset.all}"]`, form)) box.checked = event.target.checked;
    const counter = $("[data-selected]", form);
    if (counter) counter.textContent = $$("input[type=checkbox][name]:checked", form).length;
  });
})();
