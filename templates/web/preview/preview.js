// The preview's own script. What is previewed runs none: its frames are sandboxed, and this script reaches into them
// only to keep the scroll position and to hold links back.
"use strict";

const { base, address, path } = document.documentElement.dataset;
const byId = (id) => document.getElementById(id);
const tabs = [...document.querySelectorAll("[role=tab]")];
const panelOf = (tab) => byId(tab.getAttribute("aria-controls"));

let now = null; // the showing that is painted or about to be
let verdict = null;
const HERE = "In this file";

// --- frames --------------------------------------------------------------------------------------------------------

// A second frame loads the new state out of sight and takes the first one's place when it is complete: no flicker, no
// difference to a first look, and none of the mail's styles ever passes through this page and its policy.
function repaint(panel, version) {
  if (panel.dataset.wanted === String(version)) return Promise.resolve();
  panel.dataset.wanted = version;
  panel.querySelector(".waiting")?.remove();
  const next = document.createElement("iframe");
  next.className = "waiting";
  next.title = panel.dataset.title;
  next.setAttribute("sandbox", "allow-same-origin");
  return new Promise((painted) => {
    next.addEventListener("load", () => take(panel, next, version, painted), { once: true });
    next.src = `${base}/${panel.dataset.source}/${address}?v=${version}`;
    panel.append(next);
  });
}

function take(panel, next, version, painted) {
  const old = panel.querySelector(".shown");
  const view = next.contentWindow;
  if (old) view.scrollTo({ left: old.contentWindow.scrollX, top: old.contentWindow.scrollY, behavior: "instant" });
  else lead(view);
  const focused = old !== null && document.activeElement === old;
  next.className = "shown";
  old?.remove();
  if (focused) next.focus({ preventScroll: true });
  next.contentDocument.addEventListener("click", hold, true);
  // The second frame of an animation begins when the first one has been painted.
  requestAnimationFrame(() => requestAnimationFrame((time) => {
    panel.dataset.painted = version;
    panel.dataset.paintedAt = performance.timeOrigin + time;
    painted();
  }));
}

// The first time, to where the file that is looked at begins in its letter. Not scrollIntoView: it would move us too.
function lead(view) {
  const headings = [...view.document.querySelectorAll("h2, h3, h4")];
  const heading = now?.heading && headings.find((one) => one.textContent.trim() === now.heading);
  if (heading) view.scrollTo({ top: heading.getBoundingClientRect().top - 24, behavior: "instant" });
}

function hold(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  say(`leads to ${link.href}`);
}

async function repaintAll() {
  const version = now.version;
  const opened = tabs.map(panelOf).filter((panel) => !panel.hidden || panel.dataset.wanted);
  opened.sort((one, other) => one.hidden - other.hidden); // who looks at it comes first
  for (const panel of opened) {
    if (version !== now.version) return; // something newer is on its way
    await repaint(panel, version);
  }
}

// --- tabs ----------------------------------------------------------------------------------------------------------

function choose(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", chosen);
    one.tabIndex = chosen ? 0 : -1;
    panelOf(one).hidden = !chosen;
  }
  byId("subject-line").hidden = panelOf(tab).dataset.source === "page";
  if (now) repaint(panelOf(tab), now.version);
}

for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const place = { Home: 0, End: tabs.length - 1 }[event.key] ?? (step && (tabs.indexOf(tab) + step + tabs.length) % tabs.length);
    if (place === undefined) return;
    event.preventDefault();
    tabs[place].focus();
    choose(tabs[place]);
  });
}

// --- words ---------------------------------------------------------------------------------------------------------

function say(text) {
  byId("state").textContent = text;
}

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function link(target, text) {
  const made = element("a", text);
  made.href = `${base}/look/${target.split("/").map(encodeURIComponent).join("/")}`;
  if (target === address) made.setAttribute("aria-current", "page");
  return made;
}

function listed(list, items) {
  list.replaceChildren(...items.map((item) => {
    const line = document.createElement("li");
    line.append(item);
    return line;
  }));
}

function tellShowing() {
  const faulty = now.faults.length > 0;
  byId("faults").hidden = !faulty;
  byId("kept").hidden = !now.title;
  listed(byId("faults").querySelector("ul"), now.faults);
  byId("moved").hidden = !now.moved;
  if (now.moved) byId("moved").querySelector("a").replaceWith(link(now.moved, now.moved));
  document.querySelector(".stage").classList.toggle("stale", faulty);
  byId("remarks").hidden = now.remarks.length === 0;
  listed(byId("remarks"), now.remarks);
  byId("subject-line").textContent = now.subject && `Subject: ${now.subject}`;
  if (now.title) byId("title").textContent = now.title;
  listed(byId("entries"), now.entries.map((entry) => link(entry.address, entry.title)));
  say(faulty ? "the last good state" : `painted ${new Date().toLocaleTimeString([], { hour12: false })}`);
  byId("findings-state").textContent = "looking again";
  byId("findings").dataset.known = "";
  tellTitle();
}

function tellVerdict() {
  const { findings, waived, more, failure } = verdict;
  byId("findings-state").textContent = failure || (counted(findings).join(", ") || "nothing to mend") + (waived ? `, ${waived} waived` : "") + (more ? `; ${more} more: newsletter check` : "");
  const here = findings.filter((finding) => finding.path === path);
  const elsewhere = findings.filter((finding) => finding.path !== path);
  const parts = path ? [[HERE, here], ["Elsewhere", elsewhere]] : [["", elsewhere]];
  byId("findings").dataset.known = now.version;
  byId("findings").replaceChildren(...parts.filter(([, some]) => some.length).map(group));
  tellTitle();
}

function group([title, findings]) {
  const list = document.createElement("ul");
  list.append(...findings.map(told));
  if (!title) return list;
  const part = document.createElement("details");
  part.open = title === HERE;
  part.append(element("summary", `${title}: ${counted(findings).join(", ")}`), list);
  return part;
}

function told(finding) {
  const item = element("li", "", `finding ${finding.severity}`);
  const message = element("p");
  message.append(element("strong", finding.severity === "block" ? "Blocks" : "Advice"), ` ${finding.message}`);
  const where = element("p", "", "where");
  const place = [finding.path, finding.line, finding.column].filter(Boolean).join(":");
  where.append(finding.path.endsWith(".md") ? link(finding.path, place) : place, ` · ${finding.rule}`);
  item.append(message, ...(finding.fix ? [element("p", finding.fix, "quiet")] : []), where);
  return item;
}

function counted(findings) {
  const blocking = findings.filter((finding) => finding.severity === "block").length;
  const rest = findings.length - blocking;
  return [blocking && `${blocking} blocking`, rest && `${rest} to consider`].filter(Boolean);
}

function tellTitle() {
  const told = [...(now?.faults.length ? ["fault"] : []), ...counted(verdict?.findings ?? [])].join(", ");
  document.title = `${told ? `(${told}) ` : ""}${byId("title").textContent} – Preview`;
}

// --- news ----------------------------------------------------------------------------------------------------------

const news = new EventSource(`${base}/events/${address}`);
news.addEventListener("showing", (event) => {
  now = JSON.parse(event.data);
  repaintAll();
  tellShowing();
});
news.addEventListener("verdict", (event) => {
  verdict = JSON.parse(event.data);
  tellVerdict();
});
news.addEventListener("error", () => say("the preview has ended: start it again"));
