"use strict";
// Pictures that are shown twice, the picture that opens, tables that are sorted.
(() => {
  for (const image of document.querySelectorAll("img[data-same]")) image.src = document.getElementById(image.dataset.same).src;

  const openers = [...document.querySelectorAll(".card .open")];
  if (openers.length) {
    const make = (kind, text) => Object.assign(document.createElement(kind), { textContent: text || "" });
    const large = make("dialog"), image = new Image(), title = make("h3"), name = make("p"), text = make("p"), verdict = make("b"), why = make("p"), file = make("a", "open the file");
    const bar = make("div"), back = make("button", "\u2190 previous"), close = make("button", "Close"), next = make("button", "next \u2192");
    large.id = "large";
    large.setAttribute("aria-label", "The picture");
    image.alt = "";
    for (const button of [back, close, next]) button.type = "button";
    bar.append(back, close, next);
    large.append(image, title, name, text, verdict, why, file, bar);
    document.body.append(large);
    let now = 0;
    const show = number => {
      now = (number + openers.length) % openers.length;
      const opener = openers[now], card = opener.closest(".card"), own = opener.dataset;
      image.src = opener.firstElementChild.src;
      image.alt = opener.firstElementChild.alt;
      title.textContent = card.querySelector(".title").textContent;
      name.textContent = own.name || "";
      text.textContent = card.querySelector(".text") ? card.querySelector(".text").textContent : "";
      verdict.textContent = card.querySelector("b") ? card.querySelector("b").textContent : "";
      verdict.className = verdict.textContent;
      why.textContent = own.why || "";
      file.hidden = !own.link;
      if (own.link) file.href = own.link;
    };
    openers.forEach((opener, number) => opener.addEventListener("click", () => { show(number); large.showModal(); close.focus(); }));
    back.addEventListener("click", () => show(now - 1));
    next.addEventListener("click", () => show(now + 1));
    close.addEventListener("click", () => large.close());
    large.addEventListener("click", event => { if (event.target === large) large.close(); });
    large.addEventListener("close", () => openers[now].focus());
    large.addEventListener("keydown", event => {
      if (event.key === "ArrowLeft") show(now - 1);
      if (event.key === "ArrowRight") show(now + 1);
    });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending", sign = down ? -1 : 1;
      const rows = [...body.rows].map(row => [row, row.cells[column].textContent]);
      const numeric = rows.every(([, text]) => text === "" || !isNaN(+text.replaceAll(",", "")));
      const number = text => text === "" ? Infinity : +text.replaceAll(",", "");
      rows.sort(([, a], [, b]) => sign * (numeric ? number(a) - number(b) || 0 : a.localeCompare(b)));
      body.append(...rows.map(([row]) => row));
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    }));
  }
})();
