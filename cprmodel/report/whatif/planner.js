// What cprmodel/costing/models.py and cprmodel/planning decide, over the printed formulas. A setting is an object of
// the formulas' arguments by their names, so it can be handed to any of them; nothing here is a formula.
const planner = (() => {
  const { WHOLE_JOB, OPTIMUM, BUDGET, WITHIN, TIE, AS_MUCH, NEVER } = RULES;

  const use = (name, x, more = {}) => {
    const given = { ...x, ...more };
    return { name, given, value: formulas[name](given) };
  };
  const warningsOf = (step) => (validity[step.name] || []).flatMap((rule) => {
    const reached = rule.of(step.given);
    const about = `${rule.quantity} = ${quantities.general(reached, 3)} is above ${quantities.general(rule.at_most, 3)}`;
    return reached <= rule.at_most ? [] : [`${step.name}: ${about}: ${rule.because}`];
  });

  const perWork = (parts, work) =>
    Object.fromEntries(Object.entries(parts).map(([name, seconds]) => [name, seconds / work]));

  // cprmodel/costing/terms.py and blocking.py: which interval suits, in whole steps where a step is given.
  const keepsOf = (x, pls) => (interval_s) => formulas.exact_pls({ ...x, interval_s }) <= pls * WITHIN;
  const boundOf = (x, pls) => use("exact_pls_interval", x, { pls: Math.min(pls, 1 - 1e-15) });
  const roundEven = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // as Python rounds
  const choiceOf = (x, interval_s, set_by, steps) =>
    ({ interval_s, set_by: interval_s >= x.work_s * (1 - 1e-12) ? WHOLE_JOB : set_by, steps });
  const stepsUp = (x, interval_s) =>
    x.step_s === null ? interval_s
      : Math.min(Math.max(Math.ceil((interval_s / x.step_s) * (1 - 1e-12)), 1) * x.step_s, x.work_s);
  const inSteps = (x, interval_s, total, keeps = () => true) => {
    if (x.step_s === null) return interval_s;
    const most = Math.max(Math.ceil((x.work_s / x.step_s) * (1 - 1e-12)), 1);
    const low = Math.min(Math.max(Math.floor((interval_s / x.step_s) * (1 + 1e-12)), 1), most);
    const [fewer, more] = [low, Math.min(low + 1, most)].map((steps) => Math.min(steps * x.step_s, x.work_s));
    return total(more) < total(fewer) && keeps(more) ? more : fewer;
  };
  // No interval keeps the budget: what is lost at the shortest one.
  const noInterval = (x, pls) => {
    const { formatTime, general } = quantities;
    const shortest = x.step_s || 0, least = formulas.exact_pls({ ...x, interval_s: shortest || 1e-9 * x.work_s });
    const each = shortest ? `every step of ${formatTime(shortest)}` : "however often it saves";
    return `a budget of ${general(pls, 3)} of the samples (PLS) is too small: failures during saves of ` +
      `${formatTime(x.save_s)} take ${general(least, 3)} alone, ${each}`;
  };

  const firstOrder = {
    name: "first-order",
    total: (x, recovery) => (interval_s) => formulas[`${recovery}_recovery_overhead`]({ ...x, interval_s }).total,
    fullInterval(x) {
      const ideal = use("young_1974", x);
      const chosen = inSteps(x, Math.min(ideal.value, x.work_s), this.total(x, "full"));
      return choiceOf(x, chosen, OPTIMUM, [ideal]);
    },
    partialInterval(x, pls) {
      const keeps = keepsOf(x, pls), ideal = use("partial_recovery_interval", x), budget = boundOf(x, pls);
      const free = Math.min(ideal.value, x.work_s), bounded = budget.value < free && !keeps(free);
      if (bounded && !(budget.value > 0)) return { problem: noInterval(x, pls) };
      const chosen = inSteps(x, bounded ? budget.value : free, this.total(x, "partial"), keeps);
      if (!keeps(chosen)) return { problem: noInterval(x, pls) };
      if (bounded) return choiceOf(x, chosen, BUDGET, [budget]);
      return choiceOf(x, chosen, OPTIMUM, x.whole_job_share > 0 ? [ideal] : []);
    },
    cost(x, recovery, interval_s) {
      const spent = use(`${recovery}_recovery_overhead`, x, { interval_s });
      return withLosses(x, recovery, interval_s, spent.value, spent);
    },
  };

  const withLosses = (x, recovery, interval_s, parts, spent) => {
    if (recovery === "full") return { parts, pls: 0, deviation: 0, steps: [spent] };
    const lost = use("exact_pls", x, { interval_s });
    return { parts, pls: lost.value, deviation: formulas.exact_pls_deviation({ ...x, interval_s }), steps: [spent, lost] };
  };
  const makespan = (x, recovery, interval_s) => use(`${recovery}_recovery_makespan`, x, { interval_s });
  const pieces = (x, count) => stepsUp(x, x.work_s / count);
  // Into how many pieces the job must be cut, at least, to keep the budget; infinite: none will do.
  const piecesWithin = (x, pls) => {
    const keeps = keepsOf(x, pls), bound = boundOf(x, pls).value;
    if (keeps(x.work_s)) return 1;
    if (!(bound > 0)) return Infinity;
    const step = x.step_s, whole = step === null ? bound : Math.max(Math.floor((bound / step) * (1 + 1e-12)), 1) * step;
    let low = 1, high = special.intervals(x.work_s, whole);
    if (!keeps(pieces(x, high))) return Infinity;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (keeps(pieces(x, middle))) high = middle;
      else low = middle;
    }
    return high;
  };
  const bestPieces = (x, recovery, ideal, fewest, keeps) => {
    const near = Math.floor(x.work_s / ideal), longest = pieces(x, fewest);
    const from = x.step_s === null ? -2 : -6, count = x.step_s === null ? 6 : 14;
    const tried = Array.from({ length: count }, (_, at) => pieces(x, Math.max(near + from + at, fewest))).concat(longest);
    if (x.step_s !== null) {
      const steps = Math.floor(Math.min(ideal, x.work_s) / x.step_s);
      for (const more of [-2, -1, 0, 1, 2, 3]) tried.push(Math.min(Math.max((steps + more) * x.step_s, x.step_s), longest));
    }
    const costs = tried.map((interval_s) => {
      const total = keeps(interval_s) ? makespan(x, recovery, interval_s).value.total / x.work_s : Infinity;
      return Number.isNaN(total) ? Infinity : total;
    });
    const least = Math.min(...costs);
    return Math.max(...tried.filter((_, at) => costs[at] <= least * (1 + 1e-14)));
  };
  const exact = {
    name: "exact",
    fullInterval(x) {
      const ideal = use("exact_interval", x);
      return choiceOf(x, bestPieces(x, "full", ideal.value, 1, () => true), OPTIMUM, [ideal]);
    },
    partialInterval(x, pls) {
      const fewest = piecesWithin(x, pls), ideal = use("partial_recovery_exact_interval", x);
      if (fewest === Infinity) return { problem: noInterval(x, pls) };
      const chosen = bestPieces(x, "partial", ideal.value, fewest, keepsOf(x, pls));
      const bounded = fewest > 1 && special.intervals(x.work_s, chosen) <= fewest;
      const steps = [...(bounded ? [boundOf(x, pls)] : []), ...(x.whole_job_share > 0 ? [ideal] : [])];
      return choiceOf(x, chosen, bounded ? BUDGET : OPTIMUM, steps);
    },
    cost(x, recovery, interval_s) {
      const spent = makespan(x, recovery, interval_s);
      return withLosses(x, recovery, interval_s, perWork(spent.value, x.work_s), spent);
    },
  };
  const MODELS = { "first-order": firstOrder, exact };

  // One strategy with its cost, and whether the budget allows it.
  const priced = (x, name, recovery, interval_s, cost, more = {}) => {
    let feasible = true, reason = more.set_by ? `interval set by ${more.set_by}` : "";
    if (recovery === "partial" && (x.shard_share > 0 || cost.pls > 0)) {
      const budget = x.pls === null ? "" : quantities.general(x.pls, 3);
      if (x.pls === null) [feasible, reason] = [false, "it loses samples, and no accuracy budget is given"];
      else if (cost.pls > x.pls * WITHIN) {
        [feasible, reason] = [false, `expected PLS ${quantities.general(cost.pls, 3)} is above the budget ${budget}`];
      } else if (more.set_by === BUDGET) reason = `interval set by the accuracy budget (PLS ${budget})`;
    }
    const slope = x.metric_drop_per_pls;
    return {
      name, recovery, interval_s, feasible, reason, order: null, saves_every_s: interval_s,
      interval_steps: x.step_s === null ? null : Math.max(1, roundEven(interval_s / x.step_s)),
      parts: cost.parts, overhead_fraction: cost.parts.total,
      effective_time_ratio: formulas.effective_time_ratio({ overhead: cost.parts.total }),
      expected_pls: cost.pls,
      pls_standard_deviation: cost.deviation,
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
    const within = rows.filter((row) => pls(row).value <= x.pls * WITHIN);
    const row = pls(at).value <= x.pls * WITHIN || !within.length ? at : Math.max(...within);
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
      else {
        const within = model.partialInterval(x, x.pls);
        if (within.problem) notes.push(`partial: left out: ${within.problem}`);
        else wanted.push(["partial", "partial", within]);
      }
    }
    if (x.current_interval_s !== null) {
      const steps = x.step_s === null ? 0 : Math.max(roundEven(x.current_interval_s / x.step_s), 1);
      const capped = Math.min(steps ? steps * x.step_s : x.current_interval_s, x.work_s);
      if (x.current_interval_s > x.work_s) notes.push("your own interval is longer than the job: planned as no save at all");
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
    const tied = feasible.filter((one) => one.overhead_fraction <= least * (1 + TIE));
    const least_lost = Math.min(...tied.map((one) => one.expected_pls));
    const best = tied.find((one) => one.expected_pls <= least_lost * (1 + AS_MUCH));
    const today = strategies.find((one) => one.name === "current") || null;
    const warned = strategies.flatMap((one) => one.steps.flatMap(warningsOf).map((said) => `${one.name}: ${said}`));
    const answer = {
      x, model: model.name, strategies, best, recommended: best.name, notes: [...new Set([...notes, ...warned])],
      hours_saved_per_month: today
        ? hours_saved_per_month({ best: best.overhead_fraction, today: today.overhead_fraction }) : null,
    };
    return { ...answer, sentence: sentence(answer, today) };
  };

  // The recommendation in words: cprmodel/planning/telling.py's.
  const sentence = ({ x, model, strategies, best, hours_saved_per_month: hours }, today) => {
    const { formatTime, formatShare, general, fixed, grouped } = quantities;
    const steps = best.interval_steps === null ? "" : ` (${grouped(best.interval_steps)} step${best.interval_steps === 1 ? "" : "s"})`;
    const every = `every ${formatTime(best.interval_s)}${steps}`;
    const noSave = best.saves_every_s >= x.work_s;
    let said = `Save ${every} of work with ${best.recovery} recovery`;
    if (best.name === "current") said = `Keep saving ${every} of work with ${best.recovery} recovery`;
    else if (noSave) said = `Use ${best.recovery} recovery and make no save: the interval would reach the end of the job`;
    else if (best.order) {
      const parts = x.step_s === null ? 0 : Math.max(1, roundEven(best.saves_every_s / x.step_s));
      const counted = parts ? `${grouped(parts)} step${parts === 1 ? "" : "s"}; ` : "";
      said = `Save ${formatShare(best.fraction)} of the rows every ${formatTime(best.saves_every_s)} ` +
        `(${counted}${ORDERS.first[best.order]}), with partial recovery`;
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
      said += `. Expected portion of lost samples (PLS) ${general(best.expected_pls, 3)} of a budget of ${general(x.pls, 3)}`;
      if (best.expected_metric_drop !== null) said += ` (metric drop ${general(best.expected_metric_drop, 2)})`;
    } else if (best.recovery === "full" && strategies.some((one) => one.name === "partial")) {
      said += ". Partial recovery does not pay here: fall back to full";
    }
    return `${said}.`;
  };

  return { plan, price, MODELS, whyNoOrders };
})();
