"use strict";
// Shows one run from a snapshot and the records that follow it (their fields: btccxt/runs/snapshot.py, bt/run_log.py).
// A report has its snapshot in the page (#data) and asks nobody for anything.

const $ = (id) => document.getElementById(id);
const report = $("data") ? JSON.parse($("data").textContent) : null;
const dark = matchMedia("(prefers-color-scheme: dark)");
const ENDED = new Set(["Completed", "Canceled", "Expired", "Margin", "Rejected"]);
const ROWS = 200, TOLD = 300, BARS = 5000;

let run = null;      // what is shown
let shown = null;    // symbol
let control = false; // whether the buttons are there
let socket = null;
let dirty = new Set();

// ------------------------------------------------------------------ text

function node(tag, text, cls) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (cls) made.className = cls;
  return made;
}
const number = (value, digits) => value == null ? "-" :
  Number(value).toLocaleString("en-US", { minimumFractionDigits: digits ?? 0, maximumFractionDigits: digits ?? 8 });
const signed = (value) => (value > 0 ? "+" : "") + number(value, 2);
const price = (value) => value == null || value === 0 ? "-" : Number(value.toPrecision(9)).toLocaleString("en-US", { maximumFractionDigits: 8 });
const time = (ms) => ms ? new Date(ms).toISOString().slice(0, 19).replace("T", " ") : "";
const clock = (ms) => ms ? new Date(ms).toISOString().slice(11, 19) : "";
const tone = (value) => value > 0 ? "good" : value < 0 ? "bad" : "";

function fill(table, heads, rows, empty) {
  table.replaceChildren();
  if (!rows.length) { const row = table.insertRow(); row.append(node("td", empty, "empty")); return; }
  if (heads) {
    const row = table.createTHead().insertRow();
    for (const [name, cls] of heads) row.append(node("th", name, cls));
  }
  const body = table.createTBody();
  for (const { cells, cls } of rows) {
    const row = body.insertRow();
    if (cls) row.className = cls;
    for (const cell of cells) {
      if (cell instanceof Node) { const td = node("td"); td.append(cell); row.append(td); }
      else row.append(Array.isArray(cell) ? node("td", cell[0], cell[1]) : node("td", cell));
    }
  }
}

// ------------------------------------------------------------------ the chart

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const { createChart, CandlestickSeries, AreaSeries, BaselineSeries, createSeriesMarkers } = LightweightCharts;
let chart = null, candles = null, equity = null, drawdown = null, markers = null, lines = [], peak = 0;

function makeChart() {
  if (chart) chart.remove();
  lines = [];
  chart = createChart($("chart"), {
    autoSize: true,
    layout: {
      background: { color: colour("--back") }, textColor: colour("--text"), attributionLogo: true,
      panes: { separatorColor: colour("--line") },
    },
    grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } },
    timeScale: { timeVisible: true, secondsVisible: false, borderColor: colour("--line") },
    rightPriceScale: { borderColor: colour("--line") },
    localization: { locale: "en-US" },
  });
  const up = colour("--up"), down = colour("--down");
  candles = chart.addSeries(CandlestickSeries, {
    upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false,
  }, 0);
  equity = chart.addSeries(AreaSeries, {
    lineColor: colour("--accent"), topColor: colour("--accent") + "44", bottomColor: colour("--accent") + "08",
    lineWidth: 2, title: "equity", priceLineVisible: false,
  }, 1);
  drawdown = chart.addSeries(BaselineSeries, {
    baseValue: { type: "price", price: 0 }, title: "drawdown %", priceLineVisible: false, lineWidth: 1,
    topLineColor: down, topFillColor1: down + "00", topFillColor2: down + "00",
    bottomLineColor: down, bottomFillColor1: down + "11", bottomFillColor2: down + "66",
    priceFormat: { type: "custom", formatter: (value) => value.toFixed(2) + " %", minMove: 0.01 },
  }, 2);
  const panes = chart.panes();
  panes[0].setStretchFactor(5); panes[1].setStretchFactor(2); panes[2].setStretchFactor(1.2);
  markers = createSeriesMarkers(candles, []);
}

const candle = (bar) => ({ time: bar[0] / 1000, open: bar[1], high: bar[2], low: bar[3], close: bar[4] });

function decimals(bars) {
  const last = bars.length ? bars[bars.length - 1][4] : 1;
  const most = Math.max(0, ...bars.slice(-200).map((bar) => (String(bar[4]).split(".")[1] || "").length));
  return Math.min(most || (last > 10 ? 2 : 6), 8);
}

function drawAll() {
  const symbols = Object.keys(run.bars);
  if (!shown || !run.bars[shown]) shown = symbols[0];
  const bars = run.bars[shown] || [];
  const digits = decimals(bars);
  candles.applyOptions({ priceFormat: { type: "price", precision: digits, minMove: 10 ** -digits } });
  candles.setData(bars.map(candle));
  const values = (run.bars[symbols[0]] || []).filter((bar) => bar[7] != null);
  peak = 0;
  equity.setData(values.map((bar) => ({ time: bar[0] / 1000, value: bar[7] })));
  drawdown.setData(values.map((bar) => ({ time: bar[0] / 1000, value: fall(bar[7]) })));
  drawMarks();
  const firstLive = bars.findIndex((bar) => bar[6]);
  const lead = report ? firstLive - 60 : bars.length - 400; // of a report all that was live, of a bot the latest
  if (lead > 0) chart.timeScale().setVisibleLogicalRange({ from: lead, to: bars.length + 5 });
  else chart.timeScale().fitContent();
}

function fall(value) {
  peak = Math.max(peak, value);
  return peak > 0 ? 100 * (value / peak - 1) : 0;
}

function drawMarks() {
  const bars = run.bars[shown] || [];
  const closes = bars.map((bar) => bar[0]);
  const place = (ms) => { // the bar in which a fill was made is the first that closes after it
    let low = 0, high = closes.length;
    while (low < high) { const middle = (low + high) >> 1; if (closes[middle] < ms) low = middle + 1; else high = middle; }
    return low < closes.length ? closes[low] : closes[closes.length - 1];
  };
  const fills = bars.length ? run.fills.filter((each) => each.symbol === shown && each.time_ms >= closes[0]) : [];
  const near = 12 * (closes.length > 1 ? closes[closes.length - 1] - closes[closes.length - 2] : 0); // labels would overlap
  const stands_alone = (each) => fills.every((other) => other === each || Math.abs(other.time_ms - each.time_ms) > near);
  markers.setMarkers(fills.map((each) => ({
    time: place(each.time_ms) / 1000, position: each.size > 0 ? "belowBar" : "aboveBar",
    shape: each.size > 0 ? "arrowUp" : "arrowDown", color: colour(each.size > 0 ? "--up" : "--down"),
    text: fills.length <= 20 && stands_alone(each) ? number(Math.abs(each.size)) : "",
  })).sort((one, other) => one.time - other.time));
  for (const line of lines) candles.removePriceLine(line);
  lines = run.orders.filter((each) => each.open && each.symbol === shown && each.price).map((each) => candles.createPriceLine({
    price: each.price, color: colour(each.size > 0 ? "--up" : "--down"), lineStyle: 2, lineWidth: 1,
    title: `${each.side} ${each.kind}${each.waits_here ? " (here)" : ""}`,
  }));
}

// ------------------------------------------------------------------ tables

function drawHead() {
  const header = run.header, health = run.health;
  const first = Object.values(run.bars)[0] || [];
  const value = [...first].reverse().find((bar) => bar[7] != null)?.[7];
  const start = first.find((bar) => bar[7] != null)?.[7];
  const parts = [node("b", header.strategy), node("span", `${header.exchange} ${header.market_type}`, "dim"),
    node("span", header.mode, header.mode === "live" ? "badge money" : "badge")];
  const last = (run.bars[shown] || []).at(-1);
  if (last) parts.push(node("span", `${shown} ${price(last[4])}`));
  if (value != null) {
    const change = start ? value / start - 1 : 0;
    parts.push(node("span", `equity ${number(value, 2)} ${header.currency}`),
      node("span", `${change >= 0 ? "+" : ""}${(100 * change).toFixed(2)} %`, tone(change)));
  }
  if (!report) {
    const state = run.ended ? "ended" : health ? health.state : "does not answer";
    parts.push(node("span", state, "badge " + (state === "live" ? "good" : run.ended ? "dim" : "warn")));
    if (health && health.trading !== "active") parts.push(node("span", `trading ${health.trading}`, "badge bad"));
  }
  parts.push(node("span", `bar ${time(last?.[0])} UTC`, "dim"));
  $("head").replaceChildren(...parts);
  document.title = `${header.strategy} · ${header.exchange} ${header.mode}`;
  const why = !report && !run.ended && health ? [...(health.protection || []).filter((each) => Number(each.open) && Number(each.unprotected_s) > 5)
    .map((each) => `${each.symbol}: ${each.open} open, ${each.protected} protected, for ${Math.round(each.unprotected_s)} s`),
    ...(health.unknown || []).map((each) => `outcome not known: ${each}`)] : [];
  $("trouble").hidden = !why.length;
  $("trouble").textContent = why.join("; ");
}

function drawSide() {
  fill($("figures"), null, (run.figures || []).map(([name, value]) => ({ cells: [[name, "dim"], [value, "n"]] })), "nothing yet");
  const protection = new Map();
  for (const each of run.health?.protection || []) {
    const known = protection.get(each.symbol) || [0, 0];
    protection.set(each.symbol, [known[0] + Number(each.open), known[1] + Number(each.protected)]);
  }
  fill($("positions"), [["", ""], ["size", "n"], [report ? "" : "protected", "n"]], Object.entries(run.held || {}).map(([symbol, size]) => {
    const [open, covered] = protection.get(symbol) || [0, 0];
    const cls = !open ? "n dim" : covered >= open ? "n good" : "n bad";
    const told = open ? `${number(covered)} of ${number(open)}` : run.health ? "no stop asked" : "";
    return { cells: [symbol, [number(size), "n"], [told, cls]] };
  }), "nothing is held");
  const open = run.orders.filter((each) => each.open);
  const family = (each) => each.parent ?? each.ref;
  open.sort((one, other) => family(one) - family(other) || one.ref - other.ref);
  fill($("open"), [["", ""], ["size", "n"], ["at", "n"], ["", ""]], open.map((each) => {
    const button = control && !run.ended ? act("cancel", ["cancel", String(each.ref)], `Cancel order ${each.ref}?`, "danger") : node("span");
    const left = Math.abs(each.size) - Math.abs(each.filled);
    const name = `${each.side} ${each.kind}` + (each.oco != null ? ` ⇄${each.oco}` : "") + (each.waits_here ? " · waits here" : "");
    return { cls: each.parent != null ? "child" : "", cells: [name, [number(left), "n"], [price(each.price), "n"], button] };
  }), "none");
  fill($("streams"), null, (run.health?.streams || []).map((each) => ({
    cells: [each.stream, [each.state, each.state === "live" ? "good" : "warn"],
      [each.data_age_s == null ? "" : `${Math.round(each.data_age_s)} s`, "n dim"], [each.reconnects ? `${each.reconnects} reconnects` : "", "dim"]],
  })), "no news of them");
}

function drawTables() {
  fill($("trades"), [["closed (UTC)", ""], ["", ""], ["net", "n"], ["before fees", "n"], ["held", "n"]],
    run.trades.slice(-ROWS).reverse().map((each) => ({ cells: [time(each.closed_ms), each.symbol,
      [signed(each.net), "n " + tone(each.net)], [signed(each.gross), "n"], [`${Math.round((each.closed_ms - each.opened_ms) / 60000)} min`, "n"]] })),
    "none yet");
  fill($("orders"), [["time (UTC)", ""], ["#", "n"], ["", ""], ["", ""], ["size", "n"], ["at", "n"], ["signal", "n"], ["filled", "n"], ["average", "n"], ["slippage", "n"], ["fee", "n"], ["status", ""], ["why", ""]],
    run.orders.slice(-ROWS).reverse().map((each) => {
      const slip = each.kind === "Market" && each.filled && each.signal_price ? 1e4 * Math.sign(each.filled) * (each.average / each.signal_price - 1) : null;
      return { cells: [time(each.time_ms), [each.ref, "n"], each.symbol, [`${each.side} ${each.kind}`, each.size > 0 ? "good" : "bad"],
        [number(Math.abs(each.size)), "n"], [each.kind === "Market" ? "market" : price(each.price), "n"], [price(each.signal_price), "n"],
        [number(Math.abs(each.filled)), "n"], [price(each.average), "n"], [slip == null ? "" : `${slip.toFixed(1)} bp`, "n"], [number(each.fee, 4), "n"],
        [each.status, ["Rejected", "Margin"].includes(each.status) ? "bad" : ""], [each.why, "why dim"]] };
    }), "none yet");
  $("told").replaceChildren(...run.told.slice(-TOLD).reverse().map((each) => node("li", `${clock(each.time_ms)} ${each.text}`, each.kind)));
  if (!run.told.length) $("told").append(node("li", "nothing was told", "empty"));
}

function drawSymbols() {
  const symbols = Object.keys(run.bars);
  $("symbols").hidden = symbols.length < 2;
  $("symbols").replaceChildren(...symbols.map((symbol) => {
    const button = node("button", symbol);
    button.setAttribute("role", "tab");
    button.setAttribute("aria-selected", String(symbol === shown));
    button.onclick = () => { shown = symbol; drawAll(); drawSymbols(); drawHead(); };
    return button;
  }));
}

function draw() {
  makeChart(); drawAll(); drawSymbols(); drawHead(); drawSide(); drawTables(); drawControls();
}

// ------------------------------------------------------------------ records

function later(what) {
  if (!dirty.size) requestAnimationFrame(() => {
    const parts = dirty; dirty = new Set();
    if (parts.has("marks")) drawMarks();
    if (parts.has("side")) drawSide();
    if (parts.has("tables")) drawTables();
    drawHead();
  });
  dirty.add(what);
}

function apply(record) {
  if (record.t === "snapshot") { run = record; draw(); return; }
  if (!run) return;
  if (record.t === "bar") {
    const isNew = !run.bars[record.s];
    const bars = run.bars[record.s] ||= [];
    const bar = [record.at, record.o, record.h, record.l, record.c, record.v, record.live, null];
    if (bars.length && bars.at(-1)[0] === record.at) bars[bars.length - 1] = bar; else bars.push(bar);
    if (bars.length > BARS) bars.splice(0, bars.length - BARS);
    if (isNew) { shown ||= record.s; drawAll(); drawSymbols(); }
    else if (record.s === shown) candles.update(candle(bar));
    later("head");
  } else if (record.t === "value") {
    run.cash = record.cash; run.held = record.held;
    const bar = Object.values(run.bars)[0]?.at(-1);
    if (bar && bar[0] === record.at) {
      bar[7] = record.value;
      equity.update({ time: bar[0] / 1000, value: record.value });
      drawdown.update({ time: bar[0] / 1000, value: fall(record.value) });
    }
    later("side");
  } else if (record.t === "fill") {
    run.fills.push({ time_ms: record.at, ref: record.ref, symbol: record.s, size: record.size, price: record.price, fee: record.fee });
    later("marks");
  } else if (record.t === "order") {
    const order = { ref: record.ref, client_order_id: record.id, time_ms: record.at, symbol: record.s, side: record.side, kind: record.kind,
      size: record.size, price: record.price, filled: record.filled, average: record.average, fee: record.fee, status: record.status,
      why: record.why, signal_price: record.signal, parent: record.parent, oco: record.oco, waits_here: record.here, open: !ENDED.has(record.status) };
    const at = run.orders.findIndex((each) => each.ref === record.ref);
    if (at < 0) run.orders.push(order); else run.orders[at] = order;
    later("marks"); later("side"); later("tables");
  } else if (record.t === "trade") {
    run.trades.push({ opened_ms: record.opened, closed_ms: record.at, symbol: record.s, gross: record.gross, net: record.net, closed_by: record.ref });
    later("tables");
  } else if (record.t === "told") {
    run.told.push({ time_ms: record.at, kind: record.kind, text: record.text });
    later("tables");
  } else if (record.t === "changing") {
    Object.assign(run, { figures: record.figures, cash: record.cash, held: record.held, health: record.health });
    later("side");
  } else if (record.t === "end") {
    run.ended = record.wall_ms; drawControls(); later("side");
  }
}

// ------------------------------------------------------------------ hands on

function act(name, words, question, cls) {
  const button = node("button", name, cls);
  button.onclick = async () => {
    if (question && !confirm(question)) return;
    button.disabled = true;
    try {
      const answer = await fetch(`/runs/${encodeURIComponent(run.header.run)}/control`, { method: "POST", body: JSON.stringify({ command: words }) });
      const told = await answer.json();
      $("said").textContent = told.text; $("said").className = told.done ? "good" : "bad";
    } catch (error) { $("said").textContent = String(error); $("said").className = "bad"; }
    button.disabled = false;
  };
  return button;
}

function drawControls() {
  $("controls").hidden = !control || Boolean(run.ended);
  if ($("controls").hidden || $("said")) return;
  const said = node("span", "", "dim"); said.id = "said";
  $("controls").replaceChildren(said, act("pause", ["pause"]), act("reduce", ["reduce"]), act("resume", ["resume"]),
    act("cancel all", ["cancel", "all"], "Cancel all open orders?", "danger"),
    act("flatten", ["flatten"], "Cancel all orders, then close every position at market?", "danger"),
    act("stop", ["stop"], "End the run in order?", "danger"));
}

// ------------------------------------------------------------------ which run

function follow(id) {
  if (socket) { socket.onclose = null; socket.close(); }
  run = null; shown = null; location.hash = encodeURIComponent(id);
  socket = new WebSocket(`ws://${location.host}/runs/${encodeURIComponent(id)}`);
  socket.onmessage = (event) => { $("trouble").hidden = true; apply(JSON.parse(event.data)); };
  socket.onclose = () => {
    $("trouble").textContent = "no connection to the page's server; trying again"; $("trouble").hidden = false;
    setTimeout(() => follow(id), 2000);
  };
}

async function list() {
  let told;
  try { told = await (await fetch("/runs")).json(); } catch { return; }
  control = told.control;
  const wanted = decodeURIComponent(location.hash.slice(1));
  const choice = document.createElement("select");
  choice.setAttribute("aria-label", "run");
  for (const each of told.runs) {
    const option = node("option", `${each.running ? "●" : "○"} ${each.strategy} · ${each.store} · ${time(each.wall_ms)}`);
    option.value = each.run;
    choice.append(option);
  }
  const current = run?.header.run || wanted;
  if (told.runs.some((each) => each.run === current)) choice.value = current;
  choice.onchange = () => follow(choice.value);
  $("runs").replaceChildren(told.runs.length ? choice : node("span", "no run yet: btccxt run STRATEGY.py", "dim"));
  if (!socket && told.runs.length) follow(choice.value);
}

dark.addEventListener("change", () => { if (run) draw(); });
if (report) { document.body.classList.add("report"); apply(report); }
else { list(); setInterval(list, 5000); }
