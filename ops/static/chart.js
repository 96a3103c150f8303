// Draws the alert's chart from the JSON in the page, in the colours of page.css.
const drawing = JSON.parse(document.getElementById("chart-data").textContent);
const place = document.getElementById("chart");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 640px)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A step without a value breaks a line, and would tie a filled shape into a knot: so the band is
// drawn piece by piece, each piece there and back.
function bandPieces() {
  const pieces = [];
  let piece = [];
  drawing.times.forEach((_, i) => {
    const known = drawing.lower[i] !== null && drawing.upper[i] !== null;
    if (known) piece.push(i);
    if (piece.length && (!known || i === drawing.times.length - 1)) {
      pieces.push(piece);
      piece = [];
    }
  });
  return pieces;
}

function bands() {
  return bandPieces().map((piece, n) => {
    const back = [...piece].reverse();
    return {
      x: [...piece, ...back].map((i) => drawing.times[i]),
      y: [...piece.map((i) => drawing.upper[i]), ...back.map((i) => drawing.lower[i])],
      fill: "toself",
      fillcolor: colour("--chart-band"),
      line: { width: 0 },
      mode: "lines",
      name: "Normal range",
      legendgroup: "band",
      showlegend: n === 0,
      hoverinfo: "skip",
      type: "scatter",
    };
  });
}

function lines() {
  const told = "%{y:.4~g}";
  return [
    {
      x: drawing.times, y: drawing.expected, name: "Expected", mode: "lines", type: "scatter",
      line: { color: colour("--chart-expected"), width: 1.5, dash: "dash" },
      hovertemplate: told,
    },
    {
      x: drawing.times, y: drawing.observed, name: "Observed", mode: "lines", type: "scatter",
      line: { color: colour("--chart-observed"), width: 2 },
      hovertemplate: told,
    },
    outside(),
  ];
}

// What left the normal range also has a dot: the line's colour alone does not say it.
function outside() {
  const strange = drawing.times.map((_, i) => i).filter((i) => {
    const value = drawing.observed[i];
    const { lower, upper } = { lower: drawing.lower[i], upper: drawing.upper[i] };
    if (value === null) return false;
    return (upper !== null && value > upper) || (lower !== null && value < lower);
  });
  return {
    x: strange.map((i) => drawing.times[i]), y: strange.map((i) => drawing.observed[i]),
    name: "Outside", mode: "markers", type: "scatter", hoverinfo: "skip",
    marker: { color: colour("--chart-alert"), size: 6, line: { color: colour("--card"), width: 1 } },
  };
}

// Marks that would print over one another go one line higher each.
function levels() {
  const span = Date.parse(drawing.times.at(-1)) - Date.parse(drawing.times[0]) || 1;
  const taken = [];
  return drawing.marks.map((mark) => {
    const at = (Date.parse(mark.at) - Date.parse(drawing.times[0])) / span;
    const width = narrow.matches ? 0.2 : 0.08;
    let level = 0;
    while (taken.some((other) => other.level === level && Math.abs(other.at - at) < width)) level += 1;
    taken.push({ at, level });
    return level;
  });
}

function layout() {
  const ink = colour("--muted");
  const level = levels();
  const axis = { gridcolor: colour("--chart-grid"), linecolor: colour("--line"), zeroline: false, tickfont: { color: ink } };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: colour("--ink") },
    margin: { t: 26 + 18 * Math.max(0, ...level), r: 14, b: narrow.matches ? 104 : 76, l: 52 },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
    legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", font: { color: ink } },
    xaxis: { ...axis, type: "date", tickangle: 0, nticks: narrow.matches ? 5 : 10 },
    yaxis: { ...axis, title: { text: narrow.matches ? "" : drawing.unit, font: { color: ink, size: 12 } }, rangemode: "tozero", automargin: true },
    shapes: drawing.marks.map((mark) => ({
      type: "line", x0: mark.at, x1: mark.at, yref: "paper", y0: 0, y1: 1, layer: "below",
      line: { color: colour("--chart-alert"), width: mark.name.startsWith("opened") ? 1.5 : 1, dash: mark.name.startsWith("opened") ? "solid" : "dot" },
    })),
    annotations: drawing.marks.map((mark, i) => ({
      x: mark.at, yref: "paper", y: 1, yshift: 2 + 18 * level[i], yanchor: "bottom", text: mark.name, showarrow: false,
      font: { size: 12, color: colour("--chart-alert") },
    })),
  };
}

function draw() {
  const options = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };
  Plotly.react(place, [...bands(), ...lines()], layout(), options);
}

draw();
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);
