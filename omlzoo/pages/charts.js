"use strict";
// Draws what the page's JSON describes: charts of lines and dots, and maps of points.
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = value => value === null ? "" : value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3) ? (+value.toPrecision(3)).toExponential() : String(+value.toPrecision(4));
  const palette = () => Array.from({ length: 8 }, (_, number) => style(`--c${number + 1}`));
  const MOST = 8; // values of a column with a colour of their own
  const drawn = [];

  function axis(spec, up) {
    const quiet = style("--quiet"), line = style("--line");
    return {
      type: spec.log ? "log" : "value", name: spec.name, nameLocation: "middle", nameGap: up ? 42 : 28, min: spec.low ?? undefined, max: spec.high ?? undefined,
      minInterval: spec.whole ? 1 : 0, scale: true, nameTextStyle: { color: style("--ink"), fontSize: 13 }, axisLabel: { color: quiet, hideOverlap: true, formatter: shown },
      axisLine: { lineStyle: { color: line } }, splitLine: { show: up, lineStyle: { color: line } }, axisTick: { lineStyle: { color: line } },
    };
  }

  function lines(spec) {
    const colours = palette(), series = [], meaning = { right: style("--right"), wrong: style("--wrong"), quiet: style("--quiet") };
    let next = 0;
    for (const one of spec.series) {
      const points = one.x.map((x, place) => [x, one.y[place]]);
      if (one.kind === "band") {
        const hidden = { type: "line", silent: true, showSymbol: false, lineStyle: { opacity: 0 }, stack: one.name, stackStrategy: "all" };
        series.push({ ...hidden, name: one.name, data: points, itemStyle: { color: colours[0] } });
        series.push({ ...hidden, name: one.name, data: one.x.map((x, place) => [x, one.high[place] - one.y[place]]), areaStyle: { color: colours[0], opacity: .18 }, itemStyle: { color: colours[0] } });
        continue;
      }
      const colour = meaning[one.colour] || colours[next++ % colours.length];
      const common = { name: one.name, data: points, itemStyle: { color: colour }, emphasis: { disabled: true } };
      if (one.kind === "dots") series.push({ ...common, type: "scatter", symbolSize: (_, found) => one.sizes.length ? one.sizes[found.dataIndex] : 6 });
      else series.push({ ...common, type: "line", step: one.kind === "step" ? "middle" : false, showSymbol: one.kind === "dotted", symbolSize: 6, lineStyle: { width: 2, type: one.colour === "quiet" ? "dashed" : "solid" } });
    }
    const names = [...new Set(spec.series.map(one => one.name))];
    const told = found => {
      const rows = found.filter(each => each.seriesType !== "line" || spec.series.find(one => one.name === each.seriesName).kind !== "band");
      if (!rows.length) return "";
      return [`${spec.x.name}: ${shown(rows[0].value[0])}`, ...rows.map(each => `${each.seriesName}: ${shown(each.value[1])}`)].join("\n");
    };
    return {
      animation: false, textStyle: { fontFamily: "system-ui, sans-serif" }, grid: { left: 62, right: 18, top: names.length > 1 ? 34 : 12, bottom: 46 },
      legend: { show: names.length > 1, data: names, textStyle: { color: style("--ink") }, inactiveColor: style("--line"), top: 0 },
      tooltip: { trigger: "axis", renderMode: "richText", confine: true, formatter: told, backgroundColor: style("--paper"), borderColor: style("--line"), textStyle: { color: style("--ink"), fontSize: 13 } },
      xAxis: axis(spec.x, false), yAxis: axis(spec.y, true), series,
    };
  }

  function mixed(share) {
    const ends = ["--c2", "--c1"].map(name => style(name).match(/[0-9a-f]{2}/gi).map(part => parseInt(part, 16)));
    return `rgb(${ends[0].map((from, place) => Math.round(from + share * (ends[1][place] - from))).join(",")})`;
  }

  // The colour of each point, and the legend: names with their colours.
  function coloured(column) {
    if (column.kind === "number") {
      const known = column.values.filter(value => value !== null), low = Math.min(...known), high = Math.max(...known), span = high - low || 1;
      return [column.values.map(value => value === null ? style("--line") : mixed((value - low) / span)), [[shown(low), mixed(0)], [shown((low + high) / 2), mixed(.5)], [shown(high), mixed(1)]]];
    }
    const counts = column.names.map(() => 0);
    for (const code of column.codes) counts[code]++;
    const order = counts.map((_, code) => code).sort((a, b) => counts[b] - counts[a]), colours = palette(), given = {};
    if (column.kind === "outcome") column.names.forEach((name, code) => { given[code] = { right: style("--right"), wrong: style("--wrong") }[name]; });
    else order.slice(0, MOST).forEach((code, place) => { given[code] = colours[place]; });
    const legend = order.filter(code => given[code]).map(code => [`${column.names[code] || "(empty)"} (${counts[code]})`, given[code]]), rest = order.filter(code => !given[code]);
    if (rest.length) legend.push([rest.length === 1 ? `${column.names[rest[0]] || "(empty)"} (${counts[rest[0]]})` : `${rest.length} others`, style("--line")]);
    return [column.codes.map(code => given[code] || style("--line")), legend];
  }

  const value = (column, row) => column.kind === "number" ? shown(column.values[row]) : column.names[column.codes[row]];
  const make = (kind, properties, ...children) => { const made = Object.assign(document.createElement(kind), properties); made.append(...children); return made; };
  const quoted = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

  function mapTools(figure, canvas, spec, state) {
    const sheet = new Image(), small = make("canvas", { width: 160, height: 160 }), words = make("div"), tip = make("div", { className: "tip", hidden: true }, small, words);
    if (spec.pictures) sheet.src = spec.pictures.image;
    const column = make("select", {}), legend = make("ul", { className: "legend" }), chosen = make("span", { textContent: "no points chosen" });
    column.setAttribute("aria-label", "Colour by");
    chosen.setAttribute("role", "status");
    spec.columns.forEach((each, number) => column.append(new Option(`colour by ${each.name}`, number)));
    const button = (text, act) => { const made = make("button", { type: "button", textContent: text }); made.addEventListener("click", () => act(made)); return made; };
    const zoom = factor => {
      const zooms = state.chart.getOption().dataZoom;
      state.chart.dispatchAction({ type: "dataZoom", batch: zooms.map((each, place) => {
        const middle = (each.start + each.end) / 2, half = Math.min(50, (each.end - each.start) / 2 * factor), start = Math.min(Math.max(0, middle - half), 100 - 2 * half);
        return { dataZoomIndex: place, start, end: start + 2 * half };
      }) });
    };
    const lasso = button("Lasso", made => {
      state.lasso = !state.lasso;
      made.setAttribute("aria-pressed", state.lasso);
      state.chart.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: state.lasso ? { brushType: "polygon", brushMode: "single" } : { brushType: false } });
      if (!state.lasso) state.chart.dispatchAction({ type: "brush", areas: [] });
    });
    lasso.setAttribute("aria-pressed", "false");
    const save = button("Save the chosen rows as csv", () => {
      const rows = [["path", ...spec.columns.map(each => each.name)], ...state.rows.map(row => [spec.names[row], ...spec.columns.map(each => value(each, row))])];
      const link = make("a", { download: "chosen.csv", href: URL.createObjectURL(new Blob([rows.map(row => row.map(quoted).join(",")).join("\n") + "\n"], { type: "text/csv" })) });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
    save.disabled = true;
    const tools = make("div", { className: "tools" }, column, button("+", () => zoom(.6)), button("\u2212", () => zoom(1.7)), button("Whole map", () => zoom(1000)), lasso, save, chosen);
    canvas.before(tools);
    canvas.after(legend);
    figure.append(tip);
    column.addEventListener("change", () => { state.column = +column.value; state.paint(); });
    state.legend = entries => legend.replaceChildren(...entries.map(([name, colour]) => {
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "svg"), circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      dot.setAttribute("viewBox", "0 0 10 10");
      dot.setAttribute("aria-hidden", "true");
      for (const [key, each] of Object.entries({ cx: 5, cy: 5, r: 5, fill: colour })) circle.setAttribute(key, each);
      dot.append(circle);
      return make("li", {}, dot, name);
    }));
    state.listen = chart => {
      chart.on("brushselected", event => {
        state.rows = event.batch[0].selected[0].dataIndex;
        chosen.textContent = state.rows.length ? `${state.rows.length} chosen` : "no points chosen";
        save.disabled = !state.rows.length;
      });
      chart.on("mouseover", event => {
        const row = event.dataIndex, place = spec.pictures ? spec.pictures.places[row] : -1, pen = small.getContext("2d");
        small.hidden = place < 0;
        if (place >= 0) {
          const { side, across } = spec.pictures;
          pen.drawImage(sheet, place % across * side, Math.floor(place / across) * side, side, side, 0, 0, 160, 160);
        }
        words.textContent = [spec.names[row], ...spec.columns.map(each => `${each.name}: ${value(each, row)}`)].join("; ");
        tip.hidden = false;
        const x = canvas.offsetLeft + event.event.offsetX + 14, y = canvas.offsetTop + event.event.offsetY + 14;
        tip.style.left = `${Math.max(0, Math.min(x, figure.clientWidth - tip.offsetWidth - 8))}px`;
        tip.style.top = `${Math.max(0, Math.min(y, figure.clientHeight - tip.offsetHeight - 8))}px`;
      });
      chart.on("mouseout", () => { tip.hidden = true; });
    };
  }

  function cloud(spec, state) {
    const [colours, legend] = coloured(spec.columns[state.column]);
    state.legend(legend);
    const pad = found => (found.max - found.min) * .04 || 1; // so that no point lies on the edge
    const bare = { type: "value", scale: true, min: found => found.min - pad(found), max: found => found.max + pad(found), axisLabel: { show: false }, axisTick: { show: false }, axisLine: { show: false }, splitLine: { lineStyle: { color: style("--line"), opacity: .5 } } };
    return {
      animation: false, grid: { left: 4, right: 4, top: 4, bottom: 4 }, xAxis: bare, yAxis: bare,
      dataZoom: [{ type: "inside", xAxisIndex: 0, filterMode: "none", zoomOnMouseWheel: "ctrl", preventDefaultMouseMove: false }, { type: "inside", yAxisIndex: 0, filterMode: "none", zoomOnMouseWheel: "ctrl", preventDefaultMouseMove: false }],
      brush: { xAxisIndex: 0, brushStyle: { borderColor: style("--mark"), color: "transparent", borderWidth: 2 }, outOfBrush: { colorAlpha: .15 }, throttleType: "debounce", throttleDelay: 120 },
      series: [{ type: "scatter", symbolSize: spec.x.length > 1500 ? 6 : 9, data: spec.x.map((x, place) => [x, spec.y[place]]), itemStyle: { color: found => colours[found.dataIndex], opacity: .85 }, emphasis: { itemStyle: { borderColor: style("--ink"), borderWidth: 2 } } }],
    };
  }

  for (const canvas of document.querySelectorAll("[data-chart]")) {
    const spec = specs[+canvas.dataset.chart], state = { column: 0, rows: [], lasso: false };
    if (spec.kind === "map") mapTools(canvas.parentElement, canvas, spec, state);
    state.chart = window.echarts.init(canvas, null, { renderer: "canvas" });
    state.paint = () => state.chart.setOption(spec.kind === "map" ? cloud(spec, state) : lines(spec), { replaceMerge: ["series"] });
    state.paint();
    if (state.listen) state.listen(state.chart);
    new ResizeObserver(() => state.chart.resize()).observe(canvas);
    drawn.push(state);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(state => state.paint()));
})();
