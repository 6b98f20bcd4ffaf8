// Draws a page's charts: in the colours of light or dark, on paper always light, each with a sentence for screen readers.
// A colour for paper as it is on a dark page: greys are turned round, dark colours lightened.
const onDark = (hex) => {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
  const rgb = [1, 3, 5].map((at) => parseInt(full.slice(at, at + 2), 16));
  const light = (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255;
  const grey = Math.max(...rgb) - Math.min(...rgb) < 24;
  if (grey) return light > 0.9 ? "#2b3439" : light > 0.65 ? "#626d72" : light > 0.25 ? "#a9b4b9" : "#e8ecee";
  if (light > 0.6) return hex;
  const by = light > 0.45 ? 0.15 : 0.42;
  return "#" + rgb.map((one) => Math.round(one + (255 - one) * by).toString(16).padStart(2, "0")).join("");
};
const dark = matchMedia("(prefers-color-scheme: dark)");
const colours = (isDark) => {
  const [ink, soft, grid, paper] = isDark ? ["#e8ecee", "#a9b4b9", "#2b3439", "#14191c"] : ["#1d2326", "#5b6468", "#eee", "#fff"];
  return {
    background: paper, aria: false,
    axis: { labelColor: ink, titleColor: soft, gridColor: grid, domainColor: soft, tickColor: soft, labelOverlap: "greedy", labelSeparation: 6, aria: false },
    legend: { labelColor: ink, titleColor: soft, aria: false }, title: { color: ink, aria: false },
    header: { labelColor: ink, titleColor: soft }, text: { color: ink },
  };
};
const DATA = new Set(["data", "datasets", "values", "domain", "sort", "description", "title", "field"]);
const recoloured = (node) => {
  if (typeof node === "string") return node === "white" ? "#14191c" : /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.test(node) ? onDark(node) : node;
  if (Array.isArray(node)) return node.map(recoloured);
  if (!node || typeof node !== "object") return node;
  return Object.fromEntries(Object.entries(node).map(([key, one]) => [key, DATA.has(key) ? one : recoloured(one)]));
};
const painted = (spec, isDark) => {
  const shown = isDark ? recoloured(spec) : spec, theme = colours(isDark), own = spec.config || {};
  const config = { ...theme, ...shown.config };
  for (const part of Object.keys(theme)) if (typeof theme[part] === "object") config[part] = { ...own[part], ...theme[part] };
  return { ...shown, config };
};
const draw = (isDark) => Promise.all(FIGURES.map(([id, spec]) =>
  vegaEmbed(`#${id}`, painted(spec, isDark), { renderer: "svg", actions: false, tooltip: { theme: isDark ? "dark" : "light" } })
    .then(() => { const svg = document.querySelector(`#${id} svg`); if (svg) svg.setAttribute("aria-label", spec.description); })
    .catch(console.error)));
let asked = draw(dark.matches);
dark.addEventListener("change", () => { asked = draw(dark.matches); });
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  if (dark.matches) draw(false);
});
addEventListener("afterprint", () => { if (dark.matches) draw(true); });
