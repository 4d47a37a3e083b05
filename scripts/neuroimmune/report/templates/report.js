// Everything here is a convenience: without it the pages show the same numbers.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const create = (name, text = "") => Object.assign(document.createElement(name), { textContent: text });

  // A link to a part of a page opens the sections that it lies in; one to a cell of the matrix
  // goes to the cell.
  const reveal = async () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (id && !document.getElementById(id)) for (const box of all(".packed")) await unpack(box);
    const target = document.getElementById(id);
    if (!target) return;
    for (let node = target; node; node = node.parentElement) if (node.localName === "details") node.open = true;
    target.scrollIntoView({ block: target.localName === "td" ? "center" : "start" });
    if (target.localName === "td") target.querySelector("a")?.focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);

  // Downloads: a figure as SVG, the numbers of a figure or a table as TSV.
  const save = (name, type, text) => {
    const link = create("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name.replace(/[^\w.-]+/g, "_");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const button = (text, label, action) => {
    const made = create("button", text);
    made.type = "button";
    made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
    return made;
  };
  // The look of a figure is written into its elements, in the light colours, so that any program
  // shows it.
  const looks = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray",
    "stroke-linecap", "font-family", "font-size", "font-style", "font-weight", "text-anchor"];
  const picture = (figure) => {
    const svg = figure.querySelector("svg"), copy = svg.cloneNode(true);
    const root = document.documentElement;
    root.dataset.theme = "light";
    const copies = all("*", copy);
    all("*", svg).forEach((node, number) => {
      if (node.localName === "title") return;
      const style = getComputedStyle(node);
      const text = node.localName === "text";
      for (const look of looks) {
        const value = style.getPropertyValue(look);
        if (value && (text || !/^(font|text)/.test(look))) copies[number].setAttribute(look, value);
      }
      copies[number].removeAttribute("class");
    });
    delete root.dataset.theme;
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const banner = document.querySelector(".banner strong");
    const title = document.createElementNS("http://www.w3.org/2000/svg", "desc");
    title.textContent = `${banner ? `${banner.textContent}. ` : ""}${figure.querySelector("figcaption").textContent}`;
    copy.prepend(title);
    return `${new XMLSerializer().serializeToString(copy)}\n`;
  };
  const tableOf = (text, label) => {
    const [head, ...rows] = text.split("\n").map((row) => row.split("\t"));
    const table = create("table"), caption = create("caption", label);
    const line = (cells, name) => {
      const row = create("tr");
      row.append(...cells.map((cell) => create(name, cell)));
      return row;
    };
    table.className = "plain";
    const top = create("thead"), body = create("tbody");
    top.append(line(head, "th"));
    body.append(...rows.map((row) => line(row, "td")));
    table.append(caption, top, body);
    return table;
  };
  const cellText = (cell) => cell.textContent.trim().replace(/\s+/g, " ").replaceAll("\u2212", "-");
  // Sort a table of sets.
  const key = (row, column) => {
    const text = cellText(row.cells[column]);
    return { text, number: text === "\u2013" ? Infinity : parseFloat(text) };
  };
  // Buttons of the figures and tables below an element.
  const equip = (root) => {
    for (const figure of all("figure.plot", root)) {
      const name = figure.dataset.name, label = figure.querySelector("svg").getAttribute("aria-label");
      const numbers = figure.querySelector(".numbers");
      const tools = create("p");
      tools.className = "tools";
      const toggle = button("Numbers", `Show or hide the numbers: ${label}`, () => {
        const open = figure.querySelector(".shown-numbers");
        toggle.setAttribute("aria-expanded", String(!open));
        if (open) return open.remove();
        const box = create("div");
        box.className = "scroll shown-numbers";
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", `Numbers: ${label}`);
        box.append(tableOf(numbers.textContent, label));
        figure.append(box);
      });
      toggle.setAttribute("aria-expanded", "false");
      tools.append(
        toggle,
        button("SVG", `Download as SVG: ${label}`, () => save(`${name}.svg`, "image/svg+xml", picture(figure))),
        button("TSV", `Download the numbers as TSV: ${label}`, () => save(`${name}.tsv`, "text/tab-separated-values", `${numbers.textContent}\n`)),
      );
      figure.append(tools);
    }
    for (const table of all("table[data-name]", root)) {
      const tools = create("p");
      tools.className = "table-tools";
      tools.append(button("TSV", `Download this table as TSV: ${table.dataset.name}`, () => {
        const rows = [...table.rows].map((row) => [...row.cells].map(cellText).join("\t"));
        save(`${table.dataset.name}.tsv`, "text/tab-separated-values", `${rows.join("\n")}\n`);
      }));
      table.parentElement.after(tools);
    }
    for (const table of all("table.sortable", root)) {
      all("th", table.tHead).forEach((head, column) => {
        if ("plain" in head.dataset) return;
        const press = create("button");
        press.type = "button";
        press.append(...head.childNodes);
        head.append(press);
        press.addEventListener("click", () => {
          const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
          all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
          head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
          const rows = [...table.tBodies[0].rows].map((row) => ({ row, ...key(row, column) }));
          rows.sort((a, b) => {
            if ("text" in head.dataset) return sign * a.text.localeCompare(b.text, "en");
            if (a.number === Infinity || b.number === Infinity) return (a.number === Infinity) - (b.number === Infinity);
            return sign * (a.number - b.number);
          });
          table.tBodies[0].append(...rows.map((item) => item.row));
        });
      });
    }
  };
  equip(document);

  // What a page carries compressed is unpacked part by part, so that the page answers meanwhile.
  const unpack = async (box) => {
    if ("done" in box.dataset) return;
    box.dataset.done = "";
    if (!window.DecompressionStream) {
      box.textContent = `This browser is too old to show the ${box.dataset.what}; the tables of the study hold the numbers.`;
      return;
    }
    const bytes = Uint8Array.from(atob(box.firstChild.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    box.innerHTML = await new Response(stream).text();
    equip(box);
  };
  const ready = (async () => {
    for (const box of all(".packed")) {
      const folded = box.closest("details:not([open])");
      if (folded) folded.addEventListener("toggle", () => unpack(box), { once: true });
      else await unpack(box);
    }
    document.body.dataset.ready = "";
  })();

  // Numbers of a cell of the matrix, on pointing at it and on keyboard focus.
  const tip = create("div");
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
  document.addEventListener("keydown", (happened) => {
    if (happened.key === "Escape") return hide();
    // Arrow keys step through the matrix.
    const cell = happened.target.closest?.(".matrix td");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[happened.key];
    if (!cell || !step) return;
    const rows = all("tr[data-find]", cell.closest("table")).filter((row) => row.offsetParent);
    let [row, column] = [rows.indexOf(cell.parentElement), cell.cellIndex];
    do [row, column] = [row + step[0], column + step[1]];
    while (rows[row]?.cells[column] && !rows[row].cells[column].querySelector(":scope > a")?.offsetParent);
    const next = column > 0 && rows[row]?.cells[column]?.querySelector("a");
    if (next) {
      happened.preventDefault();
      next.focus();
    }
  });
  // Stepping to a cell may scroll to it: the numbers go along.
  document.addEventListener("scroll", () => shown && (shown === document.activeElement ? place() : hide()), true);

  // Filter the matrix by set or gene, axis, verdict and study, and order its rows.
  const form = document.querySelector(".filter");
  if (form) {
    form.hidden = false;
    const value = (id) => form.querySelector(`#${id}`).value;
    const tables = all("details.family table");
    const homes = tables.map((table) => [...table.tBodies].map((body) => ({ body, rows: [...body.rows] })));
    const effect = (row, column) => {
      const number = parseFloat(row.cells[column].dataset.effect);
      return Number.isNaN(number) ? -Infinity : number;
    };
    const moved = (row) => all("a.higher, a.lower", row).length;
    const order = () => {
      const by = value("order");
      tables.forEach((table, number) => {
        for (const { body, rows } of homes[number]) body.append(...rows);
        if (!by) return;
        const rows = all("tr[data-find]", table);
        if (by === "name") rows.sort((a, b) => cellText(a.cells[0]).localeCompare(cellText(b.cells[0]), "en"));
        else if (by === "moved") rows.sort((a, b) => moved(b) - moved(a));
        else rows.sort((a, b) => effect(b, Number(by)) - effect(a, Number(by)));
        table.tBodies[0].append(...rows);
      });
    };
    const apply = () => {
      const [find, axis, only, study, by] = [value("find").trim().toLowerCase(), value("axis"), value("only"), value("study"), value("order")];
      let matches = 0;
      tables.forEach((table, number) => {
        const heads = [...table.tHead.rows[0].cells];
        const away = heads.map((head) => Boolean(study && head.dataset.study && head.dataset.study !== study));
        let here = 0;
        for (const home of homes[number]) {
          let visible = 0;
          for (const row of home.rows.filter((item) => item.dataset.find)) {
            away.forEach((gone, column) => (row.cells[column].hidden = gone));
            const fits = row.dataset.find.toLowerCase().includes(find) && (!axis || home.body.dataset.axis === axis)
              && (!only || all(`a.${only}`, row).some((link) => !link.parentElement.hidden));
            row.hidden = !fits;
            if (fits) visible += 1;
          }
          for (const row of home.rows.filter((item) => !item.dataset.find)) row.hidden = Boolean(by) || !visible;
          here += visible;
        }
        heads.forEach((head, column) => (head.hidden = away[column]));
        table.dataset.only = only;
        if (here && (find || axis)) table.closest("details").open = true;
        matches += here;
      });
      form.querySelector("output").textContent = find || axis || only ? `${matches} ${matches === 1 ? "set" : "sets"}` : "";
    };
    form.addEventListener("input", () => (order(), apply()));
    form.addEventListener("submit", (happened) => happened.preventDefault());
    // A browser may bring back what was typed before.
    order();
    apply();
  }
  // After the browser's own step to the fragment, which would take the focus away.
  addEventListener("load", () => ready.then(() => setTimeout(reveal)));
})();
