// The page: controls to a setting, a setting to a plan, a plan to what is shown. Its state is in the fragment.
const page = (() => {
  const { parse, write, EXPECTED, formatTime, formatShare, general, grouped } = quantities;
  const POINTS = 120; // of a curve
  const { $, element, decoded, cut, unread } = frame;
  const SHARES = CONTROLS.filter((one) => one.kind === "share").map((one) => one.name);
  const BY_NAME = Object.fromEntries(CONTROLS.map((one) => [one.name, one]));

  // ---- state: numbers by control, null where off or following; and the choices ----
  const initial = () => ({
    values: Object.fromEntries(CONTROLS.map((one) => [one.name, one.value])),
    choices: Object.fromEntries(CHOICES.map((one) => [one.name, one.value])),
  });
  let state = initial();
  let answer = null;

  const valueOf = (name, values) => {
    const control = BY_NAME[name];
    if (!control) return FIXED[name];
    if (values[name] !== null || !control.follows) return values[name];
    return valueOf(control.follows, values) / (control.over ? valueOf(control.over, values) : 1);
  };
  const settingOf = ({ values, choices }) => {
    const x = { ...FIXED, orders: [] };
    for (const { name } of CONTROLS) x[name] = valueOf(name, values);
    x.current_recovery = choices.recovery || FIXED.current_recovery;
    if (choices.order) x.orders = choices.order === "all" ? ORDERS.tables.map((one) => one.order) : [choices.order];
    if (choices.order === "none") x.orders = [];
    return x;
  };

  // Shares sum to 1: the others share what one leaves, in their proportion.
  const withShare = (values, name, value) => {
    const others = SHARES.filter((one) => one !== name);
    const sum = others.reduce((total, one) => total + values[one], 0), rest = 1 - value;
    const found = { ...values, [name]: value };
    others.forEach((one, i) => { found[one] = sum > 0 ? (values[one] / sum) * rest : i === 0 ? rest : 0; });
    return found;
  };
  const withValue = (values, name, value) =>
    BY_NAME[name].kind === "share" ? withShare(values, name, value) : { ...values, [name]: value };

  // What is wrong with a number for a control, or null.
  const wrong = (control, value) => {
    if (value === null || !Number.isFinite(value)) return EXPECTED[control.kind];
    if (control.kind === "time") {
      if (value === 0 && control.may_be_zero) return null;
      if (value < 1e-12) return `${EXPECTED.time}, ${control.may_be_zero ? "not negative" : "greater than 0"}`;
      return value > 1e12 ? `${EXPECTED.time}, at most 1e12 s` : null;
    }
    if (control.kind === "count") {
      return value < control.least || value > 1e9 ? `a whole number between ${control.least} and 1e9` : null;
    }
    const least = control.kind === "portion" ? 1e-12 : 0;
    return value < least || value > 1 ? EXPECTED[control.kind] : null;
  };

  // ---- the fragment ----
  const toFragment = ({ values, choices }) => {
    const changed = CONTROLS.filter((one) => values[one.name] !== one.value);
    const parts = changed.map((one) => {
      const value = values[one.name];
      return `${one.key}=${value === null ? "none" : write(value, one.kind).replace(" ", "")}`;
    });
    const chosen = CHOICES.filter((one) => choices[one.name] !== one.value);
    return parts.concat(chosen.map((one) => `${one.name}=${choices[one.name]}`)).join("&");
  };
  const fromFragment = (fragment) => {
    const found = initial(), ignored = [], shares = {};
    const ignore = (key, text, expected) => ignored.push(unread(key, text, expected));
    for (const part of fragment.replace(/^#/, "").split("&")) {
      if (!part) continue;
      const [key, text] = [part.split("=")[0], part.split("=").slice(1).join("=")].map(decoded);
      const control = CONTROLS.find((one) => one.key === key);
      const choice = CHOICES.find((one) => one.name === key);
      if (control) {
        const off = control.optional || control.follows;
        const value = text === "none" && off ? null : parse(text, control.kind);
        const why = text === "none" && off ? null : wrong(control, value);
        if (why) ignore(key, text, why);
        else if (control.kind === "share") shares[control.name] = [key, text, value];
        else found.values[control.name] = value;
      } else if (choice) {
        if (choice.options.some(([value]) => value === text)) found.choices[key] = text;
        else ignore(key, text, `one of ${choice.options.map(([value]) => value).join(", ")}`);
      } else ignore(key, text, `a known key: ${CONTROLS.map((one) => one.key).concat(CHOICES.map((one) => one.name)).join(", ")}`);
    }
    const given = Object.entries(shares).map(([name, [, , value]]) => [name, value]);
    const summed = { ...found.values, ...Object.fromEntries(given) };
    if (given.length && Math.abs(SHARES.reduce((sum, name) => sum + summed[name], 0) - 1) > 1e-9) {
      for (const [key, text] of Object.values(shares)) ignore(key, text, "shares that sum to 1");
    } else found.values = summed;
    return { found, ignored };
  };
  let writing = 0;
  const writeFragment = () => {
    clearTimeout(writing);
    writing = setTimeout(() => {
      const fragment = toFragment(state);
      if (fragment === location.hash.replace(/^#/, "")) return;
      history.replaceState(null, "", `#${fragment}`);
    }, 150);
  };
  const readFragment = () => {
    clearTimeout(writing);
    const { found, ignored } = fromFragment(location.hash);
    state = found;
    frame.ignored(ignored);
    show(null);
  };

  // ---- controls ----
  const twoFigures = (value, kind) => {
    if (kind === "count") return Math.round(value);
    if (kind !== "time") return Number(value.toPrecision(2));
    const unit = value >= 259200 ? 86400 : value >= 3600 ? 3600 : value >= 60 ? 60 : 1;
    return Number((value / unit).toPrecision(2)) * unit;
  };
  const stopsOf = (control) => {
    const { least, most, kind, value } = control;
    const start = value === null ? [] : [value];
    if (kind === "share") return [...new Set([...Array.from({ length: 201 }, (_, i) => i / 200), ...start])].sort((a, b) => a - b);
    const found = Array.from({ length: 401 }, (_, i) => twoFigures(least * (most / least) ** (i / 400), kind));
    if (control.may_be_zero) found.push(0);
    const within = found.filter((one) => one === 0 || wrong(control, one) === null);
    return [...new Set([...within, ...start])].sort((a, b) => a - b);
  };
  const nearest = (stops, value) => {
    const at = stops.findIndex((one) => one >= value);
    if (at <= 0) return at < 0 ? stops.length - 1 : 0;
    return stops[at] - value < value - stops[at - 1] ? at : at - 1;
  };
  const inputs = {};
  const complain = (name, text) => {
    const { field, problem } = inputs[name];
    field.setAttribute("aria-invalid", String(Boolean(text)));
    problem.textContent = text || "";
    problem.hidden = !text;
  };
  const set = (name, value, source) => {
    state.values = withValue(state.values, name, value);
    complain(name, null);
    show(source);
    writeFragment();
  };
  const setText = (name) => {
    const control = BY_NAME[name], { field } = inputs[name];
    if (field.value === field.dataset.shown) return complain(name, null);
    const value = parse(field.value, control.kind), why = wrong(control, value);
    if (why) return complain(name, `expected ${why}, not "${cut(field.value)}"`);
    return set(name, value, field);
  };
  const connect = (control) => {
    const { name } = control, box = $(`#control-${control.key}`);
    const slider = box.querySelector("input[type=range]"), field = box.querySelector("input[type=text]");
    const toggle = box.querySelector("input[type=checkbox]"), back = box.querySelector("button");
    const stops = stopsOf(control);
    inputs[name] = { box, slider, field, toggle, back, stops, problem: box.querySelector(".problem"), state: box.querySelector(".follows") };
    slider.max = String(stops.length - 1);
    slider.addEventListener("input", () => set(name, stops[Number(slider.value)], slider));
    field.addEventListener("change", () => setText(name));
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") setText(name); });
    if (toggle) toggle.addEventListener("change", () => set(name, toggle.checked ? control.value ?? control.starts_at : null, toggle));
    back.addEventListener("click", () => {
      if (control.kind === "share") {
        state.values = { ...state.values, ...Object.fromEntries(SHARES.map((one) => [one, BY_NAME[one].value])) };
        SHARES.forEach((one) => complain(one, null));
        show(null);
        writeFragment();
      } else set(name, control.value, null);
      field.focus();
    });
  };
  const showControl = (control, source) => {
    const { name } = control, { slider, field, toggle, back, stops, box, state: follows } = inputs[name];
    const own = state.values[name], value = valueOf(name, state.values), off = value === null;
    const text = off ? "" : write(value, control.kind);
    if (source !== field) complain(name, null);
    [field.value, field.dataset.shown] = [text, text];
    [field.disabled, slider.disabled] = [off, off];
    if (off) field.removeAttribute("data-value");
    else field.dataset.value = String(value);
    if (source !== slider && !off) slider.value = String(nearest(stops, value));
    slider.setAttribute("aria-valuetext", off ? "off" : text);
    if (toggle) toggle.checked = !off;
    back.hidden = own === control.value;
    box.classList.toggle("off", off);
    if (follows) follows.hidden = own !== null;
  };

  // ---- results ----
  const steps = (one) => (one.interval_steps === null ? "" : `${grouped(one.interval_steps)} steps`);
  const scatter = (one) => (one.expected_pls ? `± ${general(one.pls_standard_deviation, 2)}` : "");
  const drop = (one) => (one.expected_metric_drop === null ? "" : general(one.expected_metric_drop, 2));
  // What a column shows: a value, and below it perhaps another.
  const CELLS = {
    interval_s: [["interval_s", (one) => formatTime(one.interval_s)], ["interval_steps", steps]],
    overhead_fraction: [["overhead_fraction", (one) => formatShare(one.overhead_fraction)]],
    ...Object.fromEntries(Object.keys(PARTS).map((part) => [part, [[part, (one) => formatShare(one.parts[part])]]])),
    effective_time_ratio: [["effective_time_ratio", (one) => formatShare(one.effective_time_ratio)]],
    expected_pls: [["expected_pls", (one) => general(one.expected_pls, 3)], ["pls_standard_deviation", scatter]],
    expected_metric_drop: [["expected_metric_drop", drop]],
    feasible: [["feasible", (one) => (one.feasible ? "yes" : "no")]],
  };
  const showTable = () => {
    const body = $("#strategies tbody");
    body.replaceChildren(...answer.strategies.map((one) => {
      const row = document.createElement("tr");
      row.dataset.strategy = one.name;
      if (one === answer.best) row.className = "best";
      const head = element("th", one.name, { scope: "row", title: one.reason });
      head.append(element("span", ` ${one.recovery} recovery`, { className: "below" }));
      row.append(head);
      for (const column of document.querySelectorAll("#strategies thead th[data-key]")) {
        const cell = document.createElement("td");
        cell.dataset.label = column.dataset.short;
        CELLS[column.dataset.key].forEach(([key, text], at) => {
          const shown = element("span", text(one), { className: at ? "below" : "value" });
          shown.dataset.key = key;
          shown.dataset.value = String(key in PARTS ? one.parts[key] : one[key]);
          cell.append(shown);
        });
        row.append(cell);
      }
      return row;
    }));
  };
  const showAnswer = () => {
    if (!frame.show(answer, answer.notes)) return;
    const hours = answer.hours_saved_per_month;
    $("#sentence").dataset.hours = hours === null ? "" : String(hours);
    showTable();
  };
  const curvesOf = (answer) => {
    const intervals = answer.strategies.map((one) => one.interval_s);
    const work = answer.x.work_s, model = planner.MODELS[answer.model];
    const low = Math.min(...intervals) / 4, longest = Math.max(...intervals);
    const high = Math.max(Math.min(longest * 4, work), longest);
    const recoveries = answer.x.sharded ? ["full", "partial"] : ["full"];
    const rows = recoveries.flatMap((recovery) => charts.between(low, high, POINTS).map((interval_s) => {
      const cost = model.cost(answer.x, recovery, interval_s);
      return { recovery, interval_s, overhead_fraction: cost.parts.total, expected_pls: cost.pls };
    }));
    return { low, high, rows: charts.finite(rows) };
  };

  const sweepOf = () => {
    const control = BY_NAME[$("#against").value], linear = control.kind === "share";
    const { values: set, choices } = state, { model } = answer; // as they are now: charts are drawn when there is time
    const label = $("#against").selectedOptions[0].textContent;
    const at = (value) => {
      if (value === null) return valueOf(control.name, set);
      const values = withValue(set, control.name, value);
      return settingOf({ values, choices });
    };
    const curves = (low, high) => {
      const values = charts.between(low, high, 90, linear).map((one) => (control.kind === "count" ? Math.round(one) : one));
      return values.flatMap((setting) => {
        const there = planner.plan(at(setting), model);
        if (there.problem) return [];
        return ["full", "partial"].flatMap((recovery) => {
          const those = there.strategies.filter((one) =>
            one.feasible && one.recovery === recovery && !["current", "partial-at-full-interval"].includes(one.name));
          const least = Math.min(...those.map((one) => one.overhead_fraction));
          return those.length ? [{ recovery, setting, overhead_fraction: least }] : [];
        });
      });
    };
    return { control: { ...control, linear, label }, at, curves };
  };
  const redraw = () => {
    const now = answer;
    if (now && !now.problem) charts.draw({ ...now, curves: () => curvesOf(now) }, sweepOf());
  };
  const show = (source) => {
    CONTROLS.forEach((control) => showControl(control, source));
    for (const { name } of CHOICES) {
      for (const input of document.querySelectorAll(`[name="${name}"]`)) {
        if (input.type === "radio") input.checked = input.value === state.choices[name];
        else input.value = state.choices[name];
      }
    }
    const x = settingOf(state);
    const missing = planner.whyNoOrders(x, planner.MODELS[state.choices.model]);
    const box = $("#order-absent");
    if (box) { box.textContent = missing || ""; box.hidden = !missing; }
    const order = $("#order");
    if (order) order.disabled = Boolean(missing);
    if (inputs.current_interval_s && $("#recovery")) $("#recovery").disabled = x.current_interval_s === null;
    $("#reset").disabled = !toFragment(state);
    answer = planner.plan(x, state.choices.model);
    showAnswer();
    redraw();
  };

  const start = () => {
    CONTROLS.forEach(connect);
    for (const { name } of CHOICES) {
      for (const input of document.querySelectorAll(`[name="${name}"]`)) {
        input.addEventListener("change", () => {
          state.choices = { ...state.choices, [name]: input.value };
          show(input);
          writeFragment();
        });
      }
    }
    $("#against").addEventListener("change", redraw);
    $("#reset").addEventListener("click", () => {
      state = initial();
      $("#ignored").hidden = true;
      show(null);
      writeFragment();
    });
    addEventListener("hashchange", readFragment);
    addEventListener("resize", redraw);
    colours.start(redraw);
    readFragment();
  };
  start();
  return { get answer() { return answer; }, get state() { return state; }, toFragment };
})();
