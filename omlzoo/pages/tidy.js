"use strict";
// What the reader decides about pictures, and the table with these decisions as csv.
(() => {
  const decisions = new Map(), said = document.getElementById("decided"), save = document.getElementById("save"), labelled = document.querySelector("#labels option") !== null;
  const make = (kind, properties) => Object.assign(document.createElement(kind), properties);
  const cards = [...document.querySelectorAll("[data-row]")];

  function show() {
    const kinds = [...decisions.values()].map(each => each.kind), count = kind => kinds.filter(each => each === kind).length;
    said.textContent = kinds.length ? `${count("keep")} kept, ${count("drop")} dropped, ${count("relabel")} relabelled` : "nothing decided";
    save.disabled = !kinds.length;
    for (const card of cards) {
      const found = decisions.get(card.dataset.row);
      card.classList.toggle("dropped", found !== undefined && found.kind === "drop");
      for (const button of card.querySelectorAll(".deciding button")) button.setAttribute("aria-pressed", found !== undefined && found.kind === button.dataset.kind);
      const input = card.querySelector(".deciding input");
      if (input && input !== document.activeElement) input.value = found && found.label || "";
    }
  }

  function decide(row, kind, label) {
    const found = decisions.get(row);
    if (kind === "relabel" ? !label : found && found.kind === kind) decisions.delete(row);
    else decisions.set(row, { kind, label });
    show();
  }

  for (const card of cards) {
    const box = make("div", { className: "deciding" }), name = card.querySelector("[data-name]"), of = name ? name.dataset.name : card.querySelector(".title").textContent;
    for (const kind of ["keep", "drop"]) {
      const button = make("button", { type: "button", textContent: kind });
      button.dataset.kind = kind;
      button.setAttribute("aria-label", `${kind} ${of}`);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => decide(card.dataset.row, kind));
      box.append(button);
    }
    if (labelled) {
      const input = make("input", { type: "text", placeholder: "other label" });
      input.setAttribute("list", "labels");
      input.setAttribute("aria-label", `another label for ${of}`);
      input.addEventListener("input", () => decide(card.dataset.row, "relabel", input.value.trim()));
      box.append(input);
    }
    card.append(box);
  }

  const quoted = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

  async function table() {
    const packed = Uint8Array.from(atob(document.getElementById("table").textContent), letter => letter.charCodeAt(0));
    return JSON.parse(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
  }

  save.addEventListener("click", async () => {
    const { columns, rows } = await table(), place = columns.indexOf("label");
    const lines = [columns];
    rows.forEach((cells, row) => {
      const found = decisions.get(String(row));
      if (found && found.kind === "drop") return;
      lines.push(found && found.kind === "relabel" ? cells.map((cell, column) => column === place ? found.label : cell) : cells);
    });
    const link = make("a", { download: "decided.csv", href: URL.createObjectURL(new Blob([lines.map(cells => cells.map(quoted).join(",")).join("\n") + "\n"], { type: "text/csv" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
})();
