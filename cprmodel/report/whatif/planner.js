// What cprmodel/costing/models.py and cprmodel/planning decide, over the printed formulas. A setting is an object of
// the formulas' arguments by their names, so it can be handed to any of them; nothing here is a formula.
const planner = (() => {
  const { WHOLE_JOB, OPTIMUM, BUDGET, TIE, NEVER } = RULES;

  const use = (name, x, more = {}) => {
    const given = { ...x, ...more };
    return { name, given, value: formulas[name](given) };
  };
  const warningsOf = (step) => (validity[step.name] || []).flatMap((rule) => {
    const reached = rule.of(step.given);
    const about = `${rule.quantity} = ${quantities.general(reached, 3)} is above ${quantities.general(rule.at_most, 3)}`;
    return reached <= rule.at_most ? [] : [`${step.name}: ${about}: ${rule.because}`];
  });

  const shortest = (x, choices) =>
    [...choices, { interval_s: x.work_s, set_by: WHOLE_JOB, steps: [] }].reduce((a, b) =>
      b.interval_s < a.interval_s ? b : a);
  const chosen = (step, set_by) => ({ interval_s: step.value, set_by, steps: [step] });
  const perWork = (parts, work) =>
    Object.fromEntries(Object.entries(parts).map(([name, seconds]) => [name, seconds / work]));

  const firstOrder = {
    name: "first-order",
    fullInterval: (x) => shortest(x, [chosen(use("young_1974", x), OPTIMUM)]),
    partialInterval(x, pls) {
      const choices = [];
      if (x.shard_share > 0) choices.push(chosen(use("cpr_2021_interval", x, { pls }), BUDGET));
      if (x.whole_job_share > 0) choices.push(chosen(use("partial_recovery_interval", x), OPTIMUM));
      return shortest(x, choices);
    },
    cost(x, recovery, interval_s) {
      const spent = use(`${recovery}_recovery_overhead`, x, { interval_s });
      if (recovery === "full") return { parts: spent.value, pls: 0, steps: [spent] };
      const lost = use("cpr_2021_pls", x, { interval_s });
      return { parts: spent.value, pls: lost.value, steps: [spent, lost] };
    },
  };

  const makespan = (x, recovery, interval_s) => use(`${recovery}_recovery_makespan`, x, { interval_s });
  const bestPieces = (x, recovery, ideal, fewest) => {
    const near = Math.floor(x.work_s / ideal.value);
    const tried = [-2, -1, 0, 1, 2, 3].map((more) => Math.max(near + more, fewest)).concat(fewest);
    const pieces = [...new Set(tried)].sort((a, b) => a - b);
    const costs = pieces.map((count) => makespan(x, recovery, x.work_s / count).value.total);
    const known = costs.map((cost) => (Number.isNaN(cost) ? Infinity : cost));
    const best = pieces[known.indexOf(Math.min(...known))];
    return { interval_s: x.work_s / best, set_by: best === 1 ? WHOLE_JOB : OPTIMUM, steps: [ideal] };
  };
  const exact = {
    name: "exact",
    fullInterval: (x) => bestPieces(x, "full", use("exact_interval", x), 1),
    partialInterval(x, pls) {
      const budgeted = x.shard_share > 0 && pls < 1 ? [chosen(use("exact_pls_interval", x, { pls }), BUDGET)] : [];
      const bound = shortest(x, budgeted);
      if (x.whole_job_share === 0) return bound;
      const fewest = special.intervals(x.work_s, bound.interval_s);
      const best = bestPieces(x, "partial", use("partial_recovery_exact_interval", x), fewest);
      const atBound = Math.round(x.work_s / best.interval_s) === fewest && fewest > 1;
      return atBound ? { ...best, set_by: bound.set_by, steps: [...bound.steps, ...best.steps] } : best;
    },
    cost(x, recovery, interval_s) {
      const spent = makespan(x, recovery, interval_s);
      const parts = perWork(spent.value, x.work_s);
      if (recovery === "full") return { parts, pls: 0, steps: [spent] };
      const lost = use("exact_pls", x, { interval_s });
      const more = use("partial_recovery_pls", x, { interval_s }).value;
      const notes = [];
      if (more > 1.05 * lost.value) {
        const [left, all] = [lost.value, more].map((pls) => quantities.general(pls, 3));
        const over = x.pls !== null && more > x.pls ? ", above the budget" : "";
        notes.push(`expected PLS ${left} leaves out failures during saves and recoveries; with them it is ${all}${over}`);
      }
      return { parts, pls: lost.value, steps: [spent, lost], notes };
    },
  };
  const MODELS = { "first-order": firstOrder, exact };

  // One strategy with its cost, and whether the budget allows it.
  const priced = (x, name, recovery, interval_s, cost, more = {}) => {
    let feasible = true, reason = more.set_by ? `interval set by ${more.set_by}` : "";
    if (recovery === "partial" && (x.shard_share > 0 || cost.pls > 0)) {
      const budget = x.pls === null ? "" : quantities.general(x.pls, 3);
      if (x.pls === null) [feasible, reason] = [false, "it loses samples, and no accuracy budget is given"];
      else if (cost.pls > x.pls * (1 + 1e-9)) {
        [feasible, reason] = [false, `expected PLS ${quantities.general(cost.pls, 3)} is above the budget ${budget}`];
      } else if (more.set_by === BUDGET) reason = `interval set by the accuracy budget (PLS ${budget})`;
    }
    const slope = x.metric_drop_per_pls;
    return {
      name, recovery, interval_s, feasible, reason, order: null, saves_every_s: interval_s,
      interval_steps: x.step_s === null ? null : Math.max(1, Math.floor((interval_s / x.step_s) * (1 + 1e-12))),
      parts: cost.parts, overhead_fraction: cost.parts.total,
      effective_time_ratio: formulas.effective_time_ratio({ overhead: cost.parts.total }),
      expected_pls: cost.pls,
      pls_standard_deviation: cost.pls > 0 ? cost.pls * formulas.cpr_2021_pls_spread(x) : 0,
      expected_metric_drop: slope === null ? null : formulas.metric_drop({ ...x, pls: cost.pls }),
      ...more, steps: [...(more.steps || []), ...cost.steps], notes: cost.notes || [],
    };
  };
  const price = (x, model, name, recovery, choice) =>
    priced(x, name, recovery, choice.interval_s, model.cost(x, recovery, choice.interval_s), choice);

  // Partial recovery whose saves take some rows first: the interval of the table with the least overhead, or the
  // longest that keeps the budget where that is shorter.
  const inOrder = (x, table) => {
    const fraction = ORDERS.fraction, small = { ...x, save_s: x.save_s * fraction };
    const bestWithin = firstOrder.partialInterval(small, 1).interval_s < x.work_s;
    const pls = (row, errors = 0) => use("priority_pls", small, {
      interval_s: Math.min(table.interval_s[row] * fraction, x.work_s),
      stale_s: table.stale_s[row] + errors * table.standard_error_s[row],
      last_stale_s: table.last_stale_s[row] + errors * table.last_standard_error_s[row],
    });
    const spent = (row) => use("partial_recovery_overhead", small, { interval_s: table.interval_s[row] * fraction });
    const rows = table.interval_s.map((_, row) => row), costs = rows.map((row) => spent(row).value.total);
    const at = costs.lastIndexOf(Math.min(...costs));
    const within = rows.filter((row) => pls(row).value <= x.pls * (1 + 1e-9));
    const row = pls(at).value <= x.pls * (1 + 1e-9) || !within.length ? at : Math.max(...within);
    const interval_s = table.interval_s[row], every = interval_s * fraction, lost = pls(row);
    const squares = Object.fromEntries(
      ["work_square_s2", "save_square_s2", "stale_square_s2"].map((name) => [name, table[name][row]]));
    const set_by = every >= x.work_s * (1 - 1e-12) ? WHOLE_JOB : row === at && bestWithin ? OPTIMUM : BUDGET;
    return priced(x, `partial-${table.order}`, "partial", interval_s,
      { parts: spent(row).value, pls: lost.value, steps: [spent(row), lost] },
      { set_by, order: table.order, saves_every_s: every, fraction,
        pls_standard_error: pls(row, 1).value - lost.value,
        pls_standard_deviation: formulas.priority_pls_deviation({ ...small, ...lost.given, ...squares }) });
  };

  // The strategies of a setting that end, and notes on those that are left out.
  const strategiesOf = (x, model) => {
    const notes = [], wanted = [];
    const atOptimum = model.fullInterval(x);
    wanted.push(["full", "full", atOptimum]);
    if (x.sharded) {
      wanted.push(["partial-at-full-interval", "partial", atOptimum]);
      if (x.pls === null) notes.push("no accuracy budget: partial recovery cannot be recommended without one");
      else wanted.push(["partial", "partial", model.partialInterval(x, x.pls)]);
    }
    if (x.current_interval_s !== null) {
      const capped = Math.min(x.current_interval_s, x.work_s);
      if (capped < x.current_interval_s) notes.push("your own interval is longer than the job: planned as no save at all");
      wanted.push(["current", x.current_recovery, { interval_s: capped, set_by: "what is done today", steps: [] }]);
    }
    const found = wanted.map(([name, recovery, choice]) => price(x, model, name, recovery, choice));
    const absent = whyNoOrders(x, model);
    if (absent === null) found.push(...ORDERS.tables.filter((one) => x.orders.includes(one.order)).map((one) => inOrder(x, one)));
    const strategies = found.filter((one) => {
      const ends = one.overhead_fraction - one.parts.save < NEVER;
      if (!ends) notes.push(`${one.name}: left out, for at an interval of ${quantities.formatTime(one.interval_s)} it never ends`);
      return ends;
    });
    for (const one of strategies) {
      notes.push(...one.notes.map((note) => `${one.name}: ${note}`));
      if (one.set_by !== WHOLE_JOB) continue;
      const charged = model.name === "first-order" ? " (the first-order overhead charges one)" : "";
      notes.push(`${one.name}: the interval reaches the end of the job, so no save is needed${charged}`);
    }
    return { strategies, notes };
  };

  // Why orders of saving are not among the strategies, or null.
  const whyNoOrders = (x, model) => {
    if (ORDERS.absent) return ORDERS.absent;
    if (x.pls === null) return "Orders of saving need a budget of lost samples.";
    if (model.name !== "first-order") {
      return "The exact model of an order depends on every failure rate, so it cannot be tabulated: " +
        "for it, run cprmodel plan --model exact.";
    }
    if (x.work_s !== ORDERS.work_s) {
      return `Orders were simulated for a job of ${quantities.formatTime(ORDERS.work_s)} of work: for another, run cprmodel plan.`;
    }
    return null;
  };

  // A plan, or {problem} where there is none.
  const plan = (x, modelName) => {
    const model = MODELS[modelName];
    if (x.save_s > x.mtbf_s) {
      const [save, mtbf] = [x.save_s, x.mtbf_s].map(quantities.formatTime);
      return { problem: `A save (${save}) is longer than the MTBF (${mtbf}): expected a save that is not.` };
    }
    const { strategies, notes } = strategiesOf(x, model);
    const feasible = strategies.filter((one) => one.feasible);
    if (!feasible.length) return { problem: `No strategy can finish this job (${notes.join("; ") || "none is left"}).` };
    const least = Math.min(...feasible.map((one) => one.overhead_fraction));
    const best = feasible.find((one) => one.overhead_fraction <= least * (1 + TIE));
    const today = strategies.find((one) => one.name === "current") || null;
    const warned = strategies.flatMap((one) => one.steps.flatMap(warningsOf).map((said) => `${one.name}: ${said}`));
    const answer = {
      x, model: model.name, strategies, best, recommended: best.name, notes: [...new Set([...notes, ...warned])],
      hours_saved_per_month: today
        ? hours_saved_per_month({ best: best.overhead_fraction, today: today.overhead_fraction }) : null,
    };
    return { ...answer, sentence: sentence(answer, today) };
  };

  // The recommendation in words: cprmodel/planning/advice.py's.
  const sentence = ({ x, model, strategies, best, hours_saved_per_month: hours }, today) => {
    const { formatTime, formatShare, general, fixed, grouped } = quantities;
    const steps = best.interval_steps === null ? "" : ` (${grouped(best.interval_steps)} steps)`;
    const every = `every ${formatTime(best.interval_s)}${steps}`;
    const noSave = best.saves_every_s >= x.work_s;
    let said = `Save ${every} of work with ${best.recovery} recovery`;
    if (best.name === "current") said = `Keep saving ${every} of work with ${best.recovery} recovery`;
    else if (noSave) said = `Use ${best.recovery} recovery and make no save: the interval would reach the end of the job`;
    else if (best.order) {
      said = `Save ${formatShare(best.fraction)} of the rows every ${formatTime(best.saves_every_s)} ` +
        `(${ORDERS.first[best.order]}), with partial recovery`;
    }
    said += `: overhead ${formatShare(best.overhead_fraction)}`;
    if (noSave && model === "first-order") {
      said += " (the first-order formula charges one save all the same; --model exact does not)";
    }
    if (today && best.name !== "current") {
      const saved = hours >= 1 ? `${general(hours, 3)} hours` : `${general(60 * hours, 2)} minutes`;
      said += ` against ${formatShare(today.overhead_fraction)} today`;
      if (hours > 0) said += `, ${saved} saved a month`;
      if (!today.feasible) said += " (what is done today does not keep the accuracy budget)";
    }
    if (best.expected_pls > 0 && x.pls !== null) {
      said += `; expected portion of lost samples (PLS) ${general(best.expected_pls, 3)} of a budget of ${general(x.pls, 3)}`;
      if (best.expected_metric_drop !== null) said += ` (metric drop ${general(best.expected_metric_drop, 2)})`;
    } else if (best.recovery === "full" && strategies.some((one) => one.name === "partial")) {
      said += "; partial recovery does not win here, so fall back to full";
    }
    return `${said}.`;
  };

  return { plan, price, MODELS, whyNoOrders };
})();
