// What pages do beside htmx: times that run, conditions of forms, notifications, and small conveniences.
// Everything here may be missing: pages work without.
"use strict";

document.documentElement.dataset.scripted = "";
const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

// ---- times ---------------------------------------------------------------------------------------------------

function inWords(seconds) {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  // Minutes and seconds that are left must be there in full; beyond, "in 3 hours" for nearly four would mislead.
  return relative.format((size < 3600 ? Math.trunc : Math.round)(seconds / size), unit);
}

function tick() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const words = "local" in time.dataset ? absolute.format(moment) : inWords((moment - Date.now()) / 1000);
    if (time.textContent !== words) time.textContent = words;
    if (!time.title) time.title = absolute.format(moment);
  }
}

// ---- forms ---------------------------------------------------------------------------------------------------

// Of a field that is asked itself: conditions are on fields further up.
function valueOf(form, name) {
  const control = form.elements[`p.${name}`];
  if (control?.disabled) return null;
  return control?.type === "checkbox" ? String(control.checked) : control?.value ?? "";
}

// A field is asked only where other fields have certain values: "gpu=true;mode=a|b".  Those may hang on others again,
// in whatever order they stand: look until nothing changes.
function showAsked(form) {
  const changed = [...form.querySelectorAll("[data-when]")].filter((field) => {
    const asked = field.dataset.when.split(";").every((condition) => {
      const [name, values] = [condition.slice(0, condition.indexOf("=")), condition.slice(condition.indexOf("=") + 1)];
      return values.split("|").includes(valueOf(form, name));
    });
    const before = !field.hidden;
    field.hidden = !asked;
    for (const control of field.querySelectorAll("input, select")) control.disabled = !asked;
    return asked !== before;
  });
  if (changed.length > 0) showAsked(form);
}

function prepare(root) {
  for (const form of root.querySelectorAll("form[data-conditions]")) {
    form.addEventListener("input", () => showAsked(form));
    showAsked(form);
  }
  for (const select of root.querySelectorAll("[data-renews]")) {
    select.addEventListener("change", () => select.form.requestSubmit(document.getElementById(select.dataset.renews)));
  }
  // Enter would press the form's first button, which is another one.
  for (const field of root.querySelectorAll("[data-enter]")) {
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      document.getElementById(field.dataset.enter).click();
    });
  }
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      button.textContent = button.dataset.copied;
    });
  }
  root.querySelector("form[data-send-at-once]")?.submit();
  root.querySelector("a[data-open-at-once]")?.click();
}

// ---- notifications -------------------------------------------------------------------------------------------

const known = new Map();
const warned = new Set();
const idle = new Set();

function notify(title, body) {
  if (globalThis.Notification?.permission === "granted") new Notification(title, { body, icon: "/logo.svg" });
}

// Tells what became of the cards since they were looked at last.
function watch(quietly) {
  const words = document.getElementById("words")?.dataset;
  if (!words) return;
  for (const { dataset: card } of document.querySelectorAll("[data-job]")) {
    const before = known.get(card.job);
    known.set(card.job, card.state);
    if (!("idle" in card)) idle.delete(card.job);
    else if (!idle.has(card.job)) {
      idle.add(card.job);
      if (!quietly) notify(card.title, words.idle);
    }
    if (quietly || before === undefined || before === card.state) continue;
    if (card.state === "available") notify(card.title, words.ready);
    if (card.state === "finished" && "bad" in card) notify(card.title, words.ended);
  }
  for (const time of document.querySelectorAll("time[data-warn]")) {
    const card = time.closest("[data-job]").dataset;
    if (card.state !== "available" || warned.has(card.job) || new Date(time.dateTime) - Date.now() > 600_000) continue;
    warned.add(card.job);
    if (!quietly) notify(card.title, words.ending);
  }
}

function offerNotifications() {
  const button = document.getElementById("notify");
  if (!button || globalThis.Notification?.permission !== "default") return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await Notification.requestPermission();
    button.hidden = true;
  });
}

// ---- the line to the portal ----------------------------------------------------------------------------------

const PATIENCE = 3000; // Milliseconds; a stream ends now and then, and the browser is back after one second.
let broken;
let said = "";

function say(id) {
  if (id && id === said) return; // a screen reader would read it once more
  said = id;
  const words = document.getElementById(id)?.content.cloneNode(true);
  document.getElementById("trouble")?.replaceChildren(...(words ? [words] : []));
}

// Browsers do not tell why a stream cannot be opened.
async function whyBroken(address) {
  const asked = new AbortController();
  try {
    const headers = { Accept: "text/event-stream" };
    const answer = await fetch(address, { headers, cache: "no-store", signal: asked.signal });
    return answer.status === 401 ? "signed-out" : "line-broken";
  } catch {
    return "line-broken";
  } finally {
    asked.abort();
  }
}

document.addEventListener("htmx:sseError", (event) => {
  const address = event.detail.source.url;
  broken ??= setTimeout(async () => {
    const mine = broken;
    const why = await whyBroken(address);
    if (broken !== mine) return; // it is open again
    broken = undefined;
    say(why);
  }, PATIENCE);
});
document.addEventListener("htmx:sseOpen", () => {
  clearTimeout(broken);
  broken = undefined;
  say("");
});

// ---- what cannot be undone is asked for twice -----------------------------------------------------------------

// A card that changed while its question was open has been replaced, and browsers do not send a form that is in no page.
function send(form) {
  if (!form.isConnected) {
    form.hidden = true;
    document.body.append(form);
  }
  form.submit();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const dialog = document.getElementById("confirm");
  if (!form.dataset.confirm || !dialog?.showModal) return;
  event.preventDefault();
  document.getElementById("confirm-words").textContent = form.dataset.confirm;
  dialog.returnValue = "";
  dialog.addEventListener("close", () => { if (dialog.returnValue === "yes") send(form); }, { once: true });
  dialog.showModal();
});

// The search changes the address without a new page: the menu leads back to what is seen.
document.addEventListener("htmx:pushedIntoHistory", (event) => {
  document.querySelector(".look [name=back]")?.setAttribute("value", event.detail.path);
});

// ---- links that share a session --------------------------------------------------------------------------------

// The code stands behind the #, which no server sees.  Across a sign-in it waits in this tab; then it fills the field.
// The person presses the button: a page that led here must not have them enter, and be seen, unasked.
const SHARED = /^#[0-9a-z]{26}-[a-z2-7]{32}$/;

function followSharedLink() {
  if (SHARED.test(location.hash) && ["/shared", "/sign-in"].includes(location.pathname)) {
    sessionStorage.setItem("shared", location.hash.slice(1));
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  const field = document.querySelector("[data-shared-code]");
  const code = sessionStorage.getItem("shared");
  if (!field || !code) return;
  sessionStorage.removeItem("shared");
  field.value = code;
}

globalThis.addEventListener("hashchange", followSharedLink);

// A menu closes where Escape is pressed or something else is clicked.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open], details.preset[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("htmx:oobAfterSwap", () => { tick(); watch(false); });
prepare(document);
followSharedLink();
offerNotifications();
tick();
watch(true);
setInterval(() => { tick(); watch(false); }, 5000);
