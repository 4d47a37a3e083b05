// Everything here is a convenience: without it the pages show the same numbers.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // A link to a set opens the sections that it lies in, and its genes.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let node = target; node; node = node.parentElement) if (node.localName === "details") node.open = true;
    const genes = target.localName === "tbody" && target.querySelector("details");
    if (genes) genes.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Sort a table of sets; the genes of a set move with it.
  const key = (body, column) => {
    const text = body.rows[0].cells[column].textContent.trim().replaceAll("\u2212", "-");
    return { text, number: text === "\u2013" ? Infinity : parseFloat(text) };
  };
  for (const table of all("table.sortable")) {
    all("th", table.tHead).forEach((head, column) => {
      if ("plain" in head.dataset) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        const rows = [...table.tBodies].map((body) => ({ body, ...key(body, column) }));
        rows.sort((a, b) => {
          if ("text" in head.dataset) return sign * a.text.localeCompare(b.text, "en");
          if (a.number === Infinity || b.number === Infinity) return (a.number === Infinity) - (b.number === Infinity);
          return sign * (a.number - b.number);
        });
        table.append(...rows.map((row) => row.body));
      });
    });
  }

  // Numbers of a cell of the matrix, on pointing at it and on keyboard focus.
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);
  let shown = null;
  const hide = () => {
    shown?.removeAttribute("aria-describedby");
    tip.hidden = true;
    shown = null;
  };
  const place = () => {
    const at = shown.getBoundingClientRect();
    const below = at.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(4, Math.min(at.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${below ? at.bottom + 6 : Math.max(4, at.top - tip.offsetHeight - 6)}px`;
  };
  const show = (link) => {
    if (link === shown) return;
    hide();
    if (link.title) {
      link.dataset.tip = link.title;
      link.removeAttribute("title");
    }
    const row = link.closest("tr");
    const head = link.closest("table").tHead.rows[0].cells[link.parentElement.cellIndex];
    const column = all("a, span", head).map((node) => node.textContent).join(", ");
    const caution = row.dataset.caution ? `\nKnown of this set: ${row.dataset.caution}` : "";
    tip.textContent = `${row.cells[0].textContent}\n${column}\n${link.dataset.tip}${caution}`;
    tip.hidden = false;
    link.setAttribute("aria-describedby", "tip");
    shown = link;
    place();
  };
  for (const event of ["mouseover", "focusin"]) {
    document.addEventListener(event, (happened) => {
      const link = happened.target.closest?.(".matrix td a");
      if (link) show(link);
      else hide();
    });
  }
  document.addEventListener("keydown", (happened) => happened.key === "Escape" && hide());
  // Stepping to a cell may scroll to it: the numbers go along.
  document.addEventListener("scroll", () => shown && (shown === document.activeElement ? place() : hide()), true);

  // Filter the matrix by set or gene, and by verdict.
  const form = document.querySelector(".filter");
  if (!form) return;
  form.hidden = false;
  const apply = () => {
    const find = form.querySelector("#find").value.trim().toLowerCase();
    const only = form.querySelector("#only").value;
    let matches = 0;
    for (const family of all("details.family")) {
      let here = 0;
      for (const body of all("tbody", family)) {
        let visible = 0;
        for (const row of all("tr[data-find]", body)) {
          const fits = row.dataset.find.toLowerCase().includes(find) && (!only || row.querySelector(`a.${only}`));
          row.hidden = !fits;
          if (fits) visible += 1;
        }
        body.hidden = !visible;
        here += visible;
      }
      all("table", family).forEach((table) => (table.dataset.only = only));
      if (here && find) family.open = true;
      matches += here;
    }
    form.querySelector("output").textContent = find || only ? `${matches} sets` : "";
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (happened) => happened.preventDefault());
  apply();
})();
