// Sorting, filtering and large figures; without it the page shows the same.
(() => {
  const make = (tag, fields) => Object.assign(document.createElement(tag), fields);
  const groups = (table) => (table.tBodies.length > 1 ? [...table.tBodies] : [...(table.tBodies[0]?.rows ?? [])]);

  // Header cells of the lowest level, with the column that each stands over.
  const columns = (head) => {
    const taken = [];
    const found = [];
    [...head.rows].forEach((row, y) => {
      let x = 0;
      for (const cell of row.cells) {
        while (taken[y]?.[x]) x += 1;
        for (let dy = 0; dy < cell.rowSpan; dy += 1)
          for (let dx = 0; dx < cell.colSpan; dx += 1) (taken[y + dy] ??= [])[x + dx] = true;
        if (y + cell.rowSpan === head.rows.length && cell.colSpan === 1) found.push([cell, x]);
        x += cell.colSpan;
      }
    });
    return found;
  };

  const value = (group, x) => {
    const cell = (group.rows?.[0] ?? group).cells[x];
    const text = cell?.dataset.sort ?? cell?.textContent.trim() ?? "";
    const number = parseFloat(text.replace("\u2212", "-").replace(/^[<+]\s*/, ""));
    return [number, text];
  };
  const compare = ([a, s], [b, t]) => {
    if (isNaN(a) !== isNaN(b)) return isNaN(a) ? 1 : -1;
    return isNaN(a) ? s.localeCompare(t) : a - b;
  };

  const sortable = (table) => {
    const heads = columns(table.tHead);
    for (const [cell, x] of heads) {
      const button = make("button", { type: "button", className: "sort" });
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const order = cell.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        for (const [other] of heads) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const keyed = groups(table).map((group) => [value(group, x), group]);
        keyed.sort(([a], [b]) => (isNaN(a[0]) || isNaN(b[0]) ? 1 : sign) * compare(a, b) * (isNaN(a[0]) && isNaN(b[0]) ? sign : 1));
        for (const [, group] of keyed) group.parentNode.append(group);
      });
    }
  };

  const filterable = (table) => {
    const box = table.closest(".wide");
    const input = make("input", { type: "search" });
    const told = make("span", { className: "soft" });
    told.setAttribute("role", "status");
    const label = make("label", { textContent: "Only rows with " });
    label.append(input);
    const line = make("p", { className: "filter" });
    line.append(label, " ", told);
    box.before(line);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      const has = (group, text) => (word) =>
        word.startsWith("paper:") ? group.dataset.paper === word.slice(6) : text.includes(word);
      const every = groups(table);
      for (const group of every) {
        const text = group.textContent.toLowerCase();
        group.hidden = !words.every(has(group, text));
      }
      told.textContent = input.value ? `${every.filter((group) => !group.hidden).length} of ${every.length}` : "";
    });
  };

  for (const table of document.querySelectorAll(".wide table")) {
    if (!table.tHead || groups(table).length < 2) continue;
    sortable(table);
    if (groups(table).length > 7) filterable(table);
  }

  // A table that is as wide as its place needs no scrolling, and its head can stay in sight.
  const measured = new ResizeObserver((boxes) => {
    for (const { target } of boxes) {
      target.classList.remove("fits");
      target.classList.toggle("fits", target.scrollWidth <= target.clientWidth);
    }
  });
  for (const box of document.querySelectorAll(".wide")) measured.observe(box);

  // From a paper's count of numbers to these alone.
  for (const link of document.querySelectorAll("a[data-only]")) {
    link.addEventListener("click", () => {
      const row = document.querySelector(`tr[data-paper="${link.dataset.only}"]`);
      const input = row?.closest(".wide").previousElementSibling?.querySelector("input");
      if (!link.hash.startsWith("#numbers-") || !input) return;
      input.value = `paper:${link.dataset.only}`;
      input.dispatchEvent(new Event("input"));
    });
  }

  for (const place of document.querySelectorAll("[data-image]")) {
    const image = document.getElementById(place.dataset.image).cloneNode();
    image.removeAttribute("id");
    place.replaceWith(image);
  }
  const large = document.getElementById("large");
  for (const image of large ? document.querySelectorAll("figure img") : []) {
    const button = make("button", { type: "button", className: "zoom" });
    button.setAttribute("aria-label", `${image.alt}: open large`);
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => {
      large.querySelector(".scroll").replaceChildren(make("img", { src: image.src, alt: image.alt }));
      large.showModal();
    });
  }

  // What a link leads to is opened, and the filter that hides it emptied.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
      if (at.hidden) at.hidden = false;
    }
    target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
})();
