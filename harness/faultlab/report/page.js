"use strict";
// Everything is readable without this. It filters, keeps what is shown in the address, and moves through the matrix by arrow keys.
(() => {
  const form = document.getElementById("filters");
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  // ---- to where the address points: its details are opened
  function target() {
    const text = location.hash.slice(1).split("?")[0];
    try { return decodeURIComponent(text); } catch { return text; }
  }
  // What was never on the screen has only a guessed height, so the way there changes while it is gone.
  function arrive(element, frames) {
    const before = scrollY;
    element.scrollIntoView();
    if (frames > 0 && (frames === 20 || scrollY !== before)) requestAnimationFrame(() => arrive(element, frames - 1));
  }
  function show() {
    const element = target() && document.getElementById(target());
    if (!element) return;
    for (let e = element; e; e = e.parentElement) { e.hidden = false; if (e.tagName === "DETAILS") e.open = true; }
    arrive(element, 20);
    const focus = element.tagName === "DETAILS" ? element.querySelector("summary") : null;
    if (focus) focus.focus({ preventScroll: true });
  }
  addEventListener("load", show); // the browser's own way to an anchor takes the focus away, until everything is there
  if (!form) { addEventListener("hashchange", show); return; }

  const fields = ["view", "phase", "verdict", "only", "q"];
  const defaults = Object.fromEntries(fields.map((f) => [f, f === "view" ? form.elements.view.options[0].value : ""]));
  const views = new Map(all(".matrix").map((v) => [v.id.slice("view-".length), v]));
  const sections = all(".scenario");
  const facts = new Map(sections.map((s) => [s.dataset.s, { q: s.dataset.q, p: s.dataset.p, d: s.dataset.d.split(" ") }]));
  const rows = new Map();
  const articles = all(".dis");
  const count = document.getElementById("count"), none = document.getElementById("none");
  form.hidden = false;

  // ---- views that are only data until somebody asks for them: every field stands in a template, heads of rows in the first view
  const data = JSON.parse(document.getElementById("data")?.textContent ?? "null");
  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }
  function draw(id) {
    const [caption, columns, phases] = data.tables[id];
    const patterns = document.getElementById("fields").content.children;
    const first = views.values().next().value;
    const heads = new Map(all("tr[data-s]", first).map((r) => [r.dataset.s, r.cells[0]]));
    const link = (scenario, target) => {
      const base = data.anchors[scenario] ?? scenario, anchor = base + data.targets[target];
      return document.getElementById(anchor) ? "#" + anchor : `${data.folder}/${base}.html#${anchor}`;
    };
    function line([scenario, variants, states, numbers]) {
      const head = heads.get(scenario).cloneNode(true), row = make("tr", {}, head);
      Object.assign(row.dataset, { s: scenario, v: states });
      head.querySelector(".var")?.remove();
      if (variants) head.insertBefore(make("small", { className: "var", textContent: variants }), head.querySelector(".ne"));
      for (let i = 0; i < numbers.length; i += 2) {
        const field = patterns[(numbers[i] || patterns.length) - 1].cloneNode(true);
        if (numbers[i]) field.firstElementChild.href = link(scenario, numbers[i + 1]);
        row.append(field);
      }
      return row;
    }
    const column = ([name, sub]) => make("th", { scope: "col" }, name, ...(sub ? [make("small", { textContent: sub })] : []));
    const table = make("table", {}, make("caption", { textContent: caption }),
      make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: "Failure" }), ...columns.map(column))));
    for (const [phase, several] of phases) {
      const title = make("th", { scope: "rowgroup", colSpan: columns.length + 1 }, make("span", { textContent: phase }));
      table.append(make("tbody", {}, make("tr", { className: "phase" }, title), ...several.map(line)));
    }
    const view = first.cloneNode(false);
    view.id = "view-" + id;
    view.setAttribute("aria-label", caption);
    view.append(table);
    first.after(view);
    views.set(id, view);
  }

  function filter() {
    const want = Object.fromEntries(fields.map((f) => [f, form.elements[f].value]));
    const words = want.q.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fits = new Map();
    for (const [id, f] of facts) {
      fits.set(id, (!want.phase || f.p === want.phase) && (!want.only || f.d.includes(want.only)) && words.every((w) => f.q.includes(w)));
    }
    const shown = new Set();
    if (!views.has(want.view)) draw(want.view);
    for (const [id, view] of views) view.hidden = id !== want.view;
    const view = views.get(want.view);
    if (!rows.has(view)) rows.set(view, all("tr[data-s]", view).map((r) => [r, r.dataset.s, r.dataset.v.split(" ")]));
    for (const [row, id, states] of rows.get(view)) {
      const hide = !fits.get(id) || (want.verdict !== "" && !states.includes(want.verdict));
      if (row.hidden !== hide) row.hidden = hide;
      if (!hide) shown.add(id);
    }
    for (const body of view.querySelectorAll("tbody")) body.hidden = !body.querySelector("tr[data-s]:not([hidden])");
    for (const s of sections) s.hidden = !shown.has(s.dataset.s);
    for (const a of articles) a.hidden = !shown.has(a.dataset.s);
    none.hidden = shown.size > 0;
    count.textContent = `${shown.size} of ${facts.size} failures`;
    rove();
  }

  // ---- the address: what is shown, as far as it is not the default
  function address() {
    const query = new URLSearchParams();
    for (const f of fields) if (form.elements[f].value !== defaults[f]) query.set(f, form.elements[f].value);
    const text = query.toString();
    const wanted = "#" + target() + (text ? "?" + text : "");
    if (wanted !== location.hash && !(wanted === "#" && !location.hash)) history.replaceState(null, "", wanted === "#" ? "#?" : wanted);
  }
  function read() {
    const text = location.hash.split("?").slice(1).join("?");
    if (location.hash.includes("?")) {
      const query = new URLSearchParams(text);
      for (const f of fields) {
        const field = form.elements[f];
        field.value = query.get(f) ?? defaults[f];
        if (field.value === "" && f === "view") field.value = defaults.view;
        if (field.selectedIndex === -1) field.value = defaults[f];
      }
    }
    filter();
    show();
    address();
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { filter(); address(); });
  form.addEventListener("reset", () => setTimeout(() => { filter(); address(); }));
  addEventListener("hashchange", read);

  // ---- the matrix by keyboard: one stop of the tab key, arrows from cell to cell
  const visible = () => views.get(form.elements.view.value);
  const links = (row) => all("a", row);
  function rove(to) {
    const view = visible();
    if (!view) return;
    const current = to ?? view.querySelector("tr[data-s]:not([hidden]) a");
    for (const a of view.querySelectorAll('tr[data-s] a[tabindex="0"], tr[data-s] a:not([tabindex])')) a.tabIndex = -1;
    if (current) current.tabIndex = 0;
    if (to) to.focus();
  }
  addEventListener("keydown", (event) => {
    const from = document.activeElement;
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(from.tagName)) { event.preventDefault(); form.elements.q.focus(); return; }
    if (event.ctrlKey || event.altKey || event.metaKey || !from.closest(".matrix tr[data-s]") || from.tagName !== "A") return;
    const row = from.closest("tr"), column = from.parentElement.cellIndex;
    const shown = all("tr[data-s]", visible()).filter((r) => !r.hidden);
    const at = shown.indexOf(row), inRow = links(row), here = inRow.indexOf(from);
    const beside = (r) => r && (r.cells[column]?.querySelector("a") ?? links(r)[0]);
    const go = { ArrowRight: inRow[here + 1], ArrowLeft: inRow[here - 1], ArrowDown: beside(shown[at + 1]), ArrowUp: beside(shown[at - 1]), Home: inRow[0], End: inRow.at(-1) }[event.key];
    if (go) { event.preventDefault(); rove(go); }
  });

  // ---- on paper everything is open
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open])"); for (const d of closed) d.open = true; });
  addEventListener("afterprint", () => { for (const d of closed) d.open = false; });
  document.documentElement.classList.add("ready");
  read();
})();
