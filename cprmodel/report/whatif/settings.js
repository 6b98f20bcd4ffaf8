// A page of settings that were planned beforehand: a slider moves along those of one number, all else is as in the file.
const page = (() => {
  const { formatShare } = quantities;
  const { $, element, decoded, unread } = frame;
  const boxes = [...document.querySelectorAll(".control")];
  // ---- state: which number stands elsewhere than in the file, and at which of its settings ----
  let moved = null, stop = null, answer = null;
  const short = (text) => text.replaceAll(" ", "");
  const pointOf = (number, at) => number.points[at] || OWN;
  const now = () => (moved === null ? OWN : pointOf(NUMBERS[moved], stop));

  const toFragment = () => (moved === null ? "" : `${NUMBERS[moved].key}=${short(NUMBERS[moved].texts[stop])}`);
  // The setting that a text is, as the page writes it or in other words; -1 where it is none.
  const stopOf = ({ texts, values, kind }, text) => {
    const said = texts.findIndex((one) => short(one) === short(text));
    const value = quantities.parse(text, kind === "time" ? "time" : "portion");
    return said >= 0 ? said : values.findIndex((one) => value !== null && Math.abs(one - value) <= 1e-12 * Math.abs(one));
  };
  const readFragment = () => {
    clearTimeout(writing); // of what is no longer asked for
    const [key, text] = decoded(location.hash.replace(/^#/, "")).split("=");
    const at = NUMBERS.findIndex((one) => one.key === key);
    const stopAt = at < 0 ? -1 : stopOf(NUMBERS[at], text || "");
    [moved, stop] = stopAt < 0 || stopAt === NUMBERS[at].at ? [null, null] : [at, stopAt];
    const expected = at < 0 ? `a known key: ${NUMBERS.map((one) => one.key).join(", ")}`
      : `one of ${NUMBERS[at].texts.map(short).join(", ")}`;
    frame.ignored(key && stopAt < 0 ? [unread(key, text || "", expected)] : []);
    if (at >= 0) last = at;
    show(null);
  };
  let writing = 0;
  const writeFragment = () => {
    clearTimeout(writing);
    writing = setTimeout(() => {
      if (toFragment() !== decoded(location.hash.replace(/^#/, ""))) history.replaceState(null, "", `#${encodeURI(toFragment())}`);
    }, 150);
  };

  // ---- the number whose chart is drawn: the one moved last ----
  let last = 0;
  const move = (number, at, source) => {
    last = number;
    [moved, stop] = at === NUMBERS[number].at ? [null, null] : [number, at];
    $("#ignored").hidden = true;
    show(source);
    writeFragment();
  };

  // ---- results ----
  const showTable = () => {
    const { strategies, rows, recommended } = answer;
    const best = (at) => (strategies[at].name === recommended ? "best" : "");
    const head = document.createElement("tr");
    head.append(element("td", ""), ...strategies.map((one, at) => element("th", one.name, { scope: "col", className: best(at) })));
    $("#strategies thead").replaceChildren(head);
    $("#strategies tbody").replaceChildren(...rows.map(([number, cells]) => {
      const label = TEXTS[number];
      const row = document.createElement("tr");
      row.append(element("th", label.trim(), { scope: "row", className: label.startsWith("    ") ? "part deeper" : label.startsWith(" ") ? "part" : "" }));
      row.append(...cells.map((cell, at) => element("td", cell, { className: best(at) })));
      return row;
    }));
  };
  const showAnswer = () => {
    if (frame.show(answer, (answer.notes || []).map((note) => TEXTS[note]))) showTable();
  };
  const sweepOf = () => {
    const number = NUMBERS[last], here = moved === last ? stop : number.at;
    const curves = () => number.values.flatMap((setting, at) => (pointOf(number, at).strategies || [])
      .filter((one) => one.feasible)
      .map((one) => ({
        strategy: one.name, setting, overhead_fraction: one.overhead_fraction,
        text: number.texts[at], overhead: formatShare(one.overhead_fraction),
      })));
    return { control: number, at: () => (here === null ? null : number.values[here]), curves };
  };
  const redraw = () => {
    if (!answer || answer.problem || !NUMBERS.length) return;
    const best = answer.strategies.find((one) => one.name === answer.recommended);
    charts.draw({ ...answer, best }, sweepOf());
  };
  const show = (source) => {
    answer = now();
    boxes.forEach((box, at) => {
      const number = NUMBERS[at], slider = box.querySelector("input"), here = moved === at ? stop : number.at;
      const text = here === null ? "not in the file" : number.texts[here];
      if (slider !== source) slider.value = String(here ?? 0);
      slider.setAttribute("aria-valuetext", text);
      box.querySelector("output").textContent = text;
      box.querySelector(".back").hidden = moved !== at;
      box.classList.toggle("off", here === null);
    });
    $("#reset").disabled = moved === null;
    if (NUMBERS.length) $("#against").textContent = NUMBERS[last].key;
    showAnswer();
    redraw();
  };
  const reset = () => {
    [moved, stop] = [null, null];
    $("#ignored").hidden = true;
    show(null);
    writeFragment();
  };

  const start = () => {
    boxes.forEach((box, at) => {
      const slider = box.querySelector("input");
      slider.addEventListener("input", () => move(at, Number(slider.value), slider));
      slider.addEventListener("focus", () => { last = at; show(null); });
      box.querySelector(".back").addEventListener("click", () => { reset(); slider.focus(); });
    });
    $("#reset").addEventListener("click", reset);
    addEventListener("hashchange", readFragment);
    addEventListener("resize", redraw);
    colours.start(redraw);
    readFragment();
  };
  start();
  return { get answer() { return answer; } };
})();
