// Charts: specifications from Python, data from the page. Drawn once, then filled anew as controls move.
const charts = (() => {
  const { formatTime, formatShare, formatBytes, general, grouped } = quantities;
  const drawn = {};
  let theme = null, wanted = null, busy = false;

  const quantity = (value, kind) =>
    kind === "time" ? formatTime(value) : kind === "count" ? grouped(Math.round(value)) : kind === "size" ? formatBytes(value)
      : kind === "bandwidth" ? `${formatBytes(value)}/s` : general(value, 3);

  const between = (low, high, count, linear) => Array.from({ length: count }, (_, i) =>
    linear ? low + ((high - low) * i) / (count - 1) : low * (high / low) ** (i / (count - 1)));
  const finite = (rows) => rows.filter((row) => Number.isFinite(row.overhead_fraction));

  const TIMES = [1e-3, 1e-2, 0.1, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 43200,
    86400, 172800, 432000, 864000, 1728000, 4320000, 8640000, 31536000, 157680000, 315360000];
  const ticksOf = (low, high, kind, linear = false) => {
    let nice = TIMES;
    if (kind !== "time") {
      const powers = between(-12, 12, 25, true);
      nice = powers.flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${Math.round(power)}`)));
    }
    if (kind === "count") nice = linear && high <= 20 ? between(0, 20, 21, true).map(Math.round) : [0, ...nice].filter(Number.isInteger);
    const within = nice.filter((one) => one >= low && one <= high);
    const most = Math.max(3, Math.floor(document.querySelector("#charts").clientWidth / 110));
    const every = Math.ceil(within.length / most);
    return every > 1 ? within.filter((_, i) => i % every === 0) : within;
  };

  const ceilingOf = (answer, curves) => {
    const top = Math.max(...answer.strategies.map((one) => one.overhead_fraction));
    const low = Math.min(...curves.map((row) => row.overhead_fraction));
    return 1.25 * Math.max(top, low) || 1;
  };

  // A label for each mark that has room for one, the recommended strategy's first.
  const marksOf = (answer, x, low, high, ceiling, log) => {
    const at = (value) => (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
    const width = document.querySelector("#charts").clientWidth - 80;
    const taken = [];
    const first = [answer.best, ...answer.strategies.filter((one) => one !== answer.best)];
    return first.map((one) => {
      const place = [at(one[x]) * width, (1 - one.overhead_fraction / ceiling) * 260];
      const side = place[0] > width - 9 - 7.2 * one.name.length ? "left" : "right";
      const start = side === "right" ? place[0] : place[0] - 7.2 * one.name.length;
      const end = start + 7.2 * one.name.length;
      const free = start >= -40 && taken.every(([a, b, y]) => end < a || start > b || Math.abs(place[1] - y) > 15);
      if (free) taken.push([start, end, place[1]]);
      return {
        strategy: one.name, recovery: one.recovery, interval_s: one.interval_s, expected_pls: one.expected_pls,
        overhead_fraction: one.overhead_fraction, recommended: one === answer.best, side,
        label: free ? one.name : "", interval: formatTime(one.interval_s),
        overhead: formatShare(one.overhead_fraction), pls: general(one.expected_pls, 3),
      };
    }).reverse();
  };

  const FILL = {
    interval(answer, sweep, curves) {
      const { low, high, rows } = curves, ceiling = ceilingOf(answer, rows);
      const marks = marksOf(answer, "interval_s", low, high, ceiling, true);
      return { data: { curves: rows, marks }, signals: { low, high, ceiling, ticks: ticksOf(low, high, "time") } };
    },
    breakdown(answer) {
      const parts = answer.strategies.flatMap((one, at) => Object.entries(PARTS).map(([part, label], order) => ({
        strategy: one.name, at, part: label, order, fraction: one.parts[part], overhead: formatShare(one.parts[part]),
      })));
      return { data: { parts: parts.filter((row) => Number.isFinite(row.fraction)) }, signals: {} };
    },
    pls(answer, sweep, curves) {
      const budget = answer.x.pls;
      const most = Math.max(...answer.strategies.map((one) => one.expected_pls), budget || 0);
      const rows = curves.rows.filter((row) => row.recovery === "partial" && row.expected_pls <= 1.3 * most);
      const high = 1.15 * most || 1, ceiling = ceilingOf(answer, rows.length ? rows : [{ overhead_fraction: 0 }]);
      const marks = marksOf(answer, "expected_pls", 0, high, ceiling, false);
      const rule = budget === null ? [] : [{ expected_pls: budget, label: `budget ${general(budget, 3)}` }];
      return { data: { curves: rows, marks, budget: rule }, signals: { high, ceiling } };
    },
    sweep(answer, sweep) {
      const { control, at } = sweep;
      const { linear } = control;
      const now = at(null);
      const share = control.kind === "share";
      const low = share ? 0 : Math.min(control.least, now || control.least);
      const high = share ? 1 : Math.max(control.most, now);
      const curves = finite(sweep.curves(low, high, linear));
      const near = curves.filter((row) => linear || (row.setting > now / 10 && row.setting < now * 10));
      const ceiling = 1.15 * Math.max(...(near.length ? near : curves).map((row) => row.overhead_fraction), 1e-12);
      const label = quantity(now, control.kind);
      const signals = { low, high, ceiling: Math.min(ceiling, 5), kind: control.kind, ticks: ticksOf(low, high, control.kind, linear) };
      if (share) signals.ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];
      return { data: { curves, now: now === null ? [] : [{ setting: now, label }] }, signals };
    },
  };

  // Draw a specification anew, with its first data and scales in it.
  const embed = async (id, spec, look, { data, signals }) => {
    if (drawn[id]) drawn[id].finalize();
    delete drawn[id];
    const filled = structuredClone({ ...spec, datasets: data });
    for (const param of filled.params || []) if (param.name in signals) param.value = signals[param.name];
    const result = await vegaEmbed(`#chart-${id}`, filled, {
      renderer: "svg", actions: false, tooltip: { theme }, expressionFunctions: { quantity },
      logLevel: 1, // errors alone: a layer may well be empty
    });
    drawn[id] = { view: result.view, look, finalize: () => result.finalize() };
  };

  const specOf = (id, answer, sweep) => {
    if (id === "breakdown") {
      const spec = { ...DRAWINGS[theme].breakdown, height: 40 * answer.strategies.length + 20 };
      return [spec, `${theme}-${answer.strategies.length}`];
    }
    const name = id === "sweep" ? (sweep.control.linear ? "sweep-linear" : "sweep-log") : id;
    return [DRAWINGS[theme][name], `${theme}-${name}`];
  };

  // What a chart shows, for whoever cannot see it.
  const stands = (one) => `${one.name} ${formatShare(one.overhead_fraction)} at ${formatTime(one.interval_s)}`;
  const describe = ({ answer, sweep }) => {
    const others = answer.strategies.filter((one) => one !== answer.best).map(stands).join(", ");
    const words = {
      interval: `Overhead against the interval between saves. Recommended: ${stands(answer.best)}. Others: ${others}.`,
      sweep: `Overhead against ${sweep.control.label}. Where you are: ${stands(answer.best)}.`,
      breakdown: `What the overhead of ${answer.best.name}, ${formatShare(answer.best.overhead_fraction)}, and of the others is made of; the figures are in the table of strategies.`,
      pls: `Overhead against accuracy. ${answer.best.name} loses a portion of ${general(answer.best.expected_pls, 3)} of the samples.`,
    };
    for (const [id, said] of Object.entries(words)) {
      const chart = document.querySelector(`#chart-${id}`);
      if (chart) chart.setAttribute("aria-label", said);
    }
  };

  const fill = async ({ answer, sweep }) => {
    const curves = answer.curves ? answer.curves() : null; // which the charts over intervals and losses draw
    for (const id of Object.keys(FILL)) {
      if (!document.querySelector(`#chart-${id}`)) continue;
      const [spec, look] = specOf(id, answer, sweep);
      const filling = FILL[id](answer, sweep, curves);
      if (!drawn[id] || drawn[id].look !== look) {
        await embed(id, spec, look, filling);
        continue;
      }
      const { view } = drawn[id];
      for (const [name, value] of Object.entries(filling.signals)) view.signal(name, value);
      for (const [name, rows] of Object.entries(filling.data)) view.data(name, rows);
      await view.runAsync();
    }
    describe({ answer, sweep }); // Vega calls them all "Vega visualization"
  };

  // Draw what was asked for last. What is asked for meanwhile waits, as long again as drawing took, so that controls
  // answer while one is moved.
  const draw = async (answer, sweep) => {
    wanted = { answer, sweep };
    if (busy) return;
    busy = true;
    try {
      while (wanted) {
        const next = wanted;
        wanted = null;
        const began = performance.now();
        await fill(next);
        await new Promise((resolve) => setTimeout(resolve, Math.min(performance.now() - began, 500)));
      }
    } finally {
      busy = false;
    }
  };

  return { draw, between, ticksOf, finite, setTheme: (name) => { theme = name; }, get idle() { return !busy && !wanted; } };
})();
