// Draws a page's charts in the colours of its theme (theme.css), on paper always light, each with a sentence for
// screen readers.
const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => dark.matches && root.dataset.theme !== "light";
const shade = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

// A colour for paper as it is on a dark page: greys are turned round, dark colours lightened.
const onDark = (hex) => {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
  const rgb = [1, 3, 5].map((at) => parseInt(full.slice(at, at + 2), 16));
  const light = (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255;
  const grey = Math.max(...rgb) - Math.min(...rgb) < 24;
  if (grey) return light > 0.9 ? shade("grid") : light > 0.65 ? "#626d72" : light > 0.25 ? shade("soft") : shade("ink");
  if (light > 0.6) return hex;
  const by = light > 0.45 ? 0.15 : 0.42;
  return "#" + rgb.map((one) => Math.round(one + (255 - one) * by).toString(16).padStart(2, "0")).join("");
};
const colours = () => {
  const [ink, soft, grid, paper] = ["ink", "soft", "grid", "paper"].map(shade);
  return {
    background: paper, aria: false,
    axis: { labelColor: ink, titleColor: soft, gridColor: grid, domainColor: soft, tickColor: soft, labelOverlap: "greedy", labelSeparation: 6, aria: false },
    legend: { labelColor: ink, titleColor: soft, aria: false }, title: { color: ink, aria: false },
    header: { labelColor: ink, titleColor: soft }, text: { color: ink },
  };
};
const DATA = new Set(["data", "datasets", "values", "domain", "sort", "description", "title", "field"]);
const recoloured = (node) => {
  if (typeof node === "string") return node === "white" ? shade("paper") : /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.test(node) ? onDark(node) : node;
  if (Array.isArray(node)) return node.map(recoloured);
  if (!node || typeof node !== "object") return node;
  return Object.fromEntries(Object.entries(node).map(([key, one]) => [key, DATA.has(key) ? one : recoloured(one)]));
};
const painted = (spec) => {
  const shown = isDark() ? recoloured(spec) : spec, theme = colours(), own = spec.config || {};
  const config = { ...theme, ...shown.config };
  for (const part of Object.keys(theme)) if (typeof theme[part] === "object") config[part] = { ...own[part], ...theme[part] };
  return { ...shown, config };
};
const draw = () => FIGURES.forEach(([id, spec]) =>
  vegaEmbed(`#${id}`, painted(spec), { renderer: "svg", actions: false, tooltip: { theme: isDark() ? "dark" : "light" } })
    .then(() => { document.querySelector(`#${id} svg`).setAttribute("aria-label", spec.description); })
    .catch(console.error));
draw();
dark.addEventListener("change", draw);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  root.dataset.theme = "light";
  if (dark.matches) draw();
});
addEventListener("afterprint", () => {
  delete root.dataset.theme;
  if (dark.matches) draw();
});
