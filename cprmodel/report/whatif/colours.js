// Light and dark: as the system has it or as was chosen, which is remembered; on paper always light.
const colours = (() => {
  const system = matchMedia("(prefers-color-scheme: dark)"), choice = document.querySelector("#theme");
  let onPaper = false;
  const remembered = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("cprmodel-theme");
      localStorage.setItem("cprmodel-theme", value);
    } catch { /* a browser that keeps nothing for files */ }
    return null;
  };

  // ``redraw``: the charts, in the colours that are now set.
  const start = (redraw) => {
    const apply = () => {
      const chosen = onPaper ? "light" : choice.value;
      if (chosen === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = chosen;
      charts.setTheme(chosen === "system" ? (system.matches ? "dark" : "light") : chosen);
      redraw();
    };
    const before = remembered();
    if (["light", "dark"].includes(before)) choice.value = before;
    choice.addEventListener("change", () => { remembered(choice.value); apply(); });
    system.addEventListener("change", apply);
    addEventListener("beforeprint", () => {
      document.querySelectorAll("details").forEach((one) => { one.open = true; });
      onPaper = true;
      apply();
    });
    addEventListener("afterprint", () => { onPaper = false; apply(); });
    apply();
  };
  return { start };
})();
