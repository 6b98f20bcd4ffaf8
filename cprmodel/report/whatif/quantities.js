// Quantities as a person reads and writes them, as cprmodel/facts/units.py does.
const quantities = (() => {
  // The significant digits of x > 0, rounded half to even as Python does: [digits, exponent of the first].
  const digitsOf = (x, count) => {
    const [mantissa, power] = x.toExponential(Math.min(100, Math.max(count, 1) + 60)).split("e");
    let exponent = Number(power);
    const all = mantissa.replace(".", "");
    if (count < 0) return ["0", exponent];
    const head = all.slice(0, count), rest = all.slice(count);
    const half = "5" + "0".repeat(rest.length - 1);
    const up = rest > half || (rest === half && Number(head.slice(-1) || "0") % 2 === 1);
    let whole = BigInt(head || "0") + (up ? 1n : 0n);
    let text = whole.toString();
    if (head && text.length > count) { text = text.slice(0, count); exponent += 1; }
    return [text, exponent];
  };

  // As Python's format(x, ".{places}f").
  const fixed = (x, places) => {
    if (x === 0) return (0).toFixed(places);
    const size = Math.abs(x);
    const exponent = Number(size.toExponential(100).split("e")[1]);
    const count = exponent + 1 + places;
    let units = 0n;
    if (count >= 0) {
      const [text, at] = digitsOf(size, count);
      units = BigInt(text) * 10n ** BigInt(count === 0 ? 0 : at - exponent);
    }
    const padded = units.toString().padStart(places + 1, "0");
    const cut = padded.length - places;
    return (x < 0 ? "-" : "") + padded.slice(0, cut) + (places ? "." + padded.slice(cut) : "");
  };

  // As Python's format(x, ".{count}g").
  const general = (x, count) => {
    if (x === 0) return "0";
    if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
    const [text, exponent] = digitsOf(Math.abs(x), count);
    const sign = x < 0 ? "-" : "";
    const trim = (t) => (t.includes(".") ? t.replace(/\.?0*$/, "") : t);
    if (exponent < -4 || exponent >= count) {
      const power = String(Math.abs(exponent)).padStart(2, "0");
      return `${sign}${trim(text[0] + "." + text.slice(1))}e${exponent < 0 ? "-" : "+"}${power}`;
    }
    if (exponent >= 0) return sign + trim(text.slice(0, exponent + 1) + "." + text.slice(exponent + 1));
    return sign + trim("0." + "0".repeat(-exponent - 1) + text);
  };

  const grouped = (whole) => String(whole).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const round = (x) => Number(fixed(x, 0));

  const two = (seconds, [size, name], [small, tail]) => {
    const whole = Math.floor(seconds / size), rest = seconds - whole * size;
    return `${grouped(whole)} ${name}` + (rest ? ` ${Math.floor(rest / small)} ${tail}` : "");
  };
  const formatTime = (s) => {
    if (s === Infinity) return "never";
    if (s === 0) return "0 s";
    if (s < 1) return s >= 1e-3 ? `${general(s * 1e3, 3)} ms` : `${general(s, 3)} s`;
    if (Number(fixed(s, 1)) < 60) return `${general(s, 3)} s`;
    if (round(s) < 3600) return two(round(s), [60, "min"], [1, "s"]);
    if (s < 3 * 86400 - 30) return two(60 * round(s / 60), [3600, "h"], [60, "min"]);
    return two(3600 * round(s / 3600), [86400, "d"], [3600, "h"]);
  };
  const formatShare = (share) => {
    const percent = 100 * share;
    if (percent === 0) return "0%";
    if (percent >= 1e6) return `${general(share, 3)} times`;
    if (percent >= 1000) return `${grouped(fixed(percent, 0))}%`;
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(percent))));
    return `${fixed(percent, Math.min(digits, 8))}%`;
  };

  const formatBytes = (size) => {
    let left = size;
    for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
      if (Number(general(left, 3)) < 1000) return `${general(left, 3)} ${unit}`;
      left /= 1000;
    }
    const shown = general(left, 4);
    return `${/e/.test(shown) ? shown : shown.replace(/^[0-9]+/, grouped)} PB`;
  };

  const SECONDS = {
    s: 1, sec: 1, secs: 1, second: 1, seconds: 1, ms: 1e-3, us: 1e-6, ns: 1e-9,
    min: 60, mins: 60, minute: 60, minutes: 60, h: 3600, hr: 3600, hrs: 3600, hour: 3600, hours: 3600,
    d: 86400, day: 86400, days: 86400, wk: 604800, week: 604800, weeks: 604800,
    yr: 31557600, year: 31557600, years: 31557600,
  };
  const NUMBER = "(?:[0-9]+(?:_[0-9]+)*\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?";
  const TERM = new RegExp(`^([+-]?${NUMBER}) *([A-Za-z]+) *`);
  const PLAIN = new RegExp(`^([+-]?${NUMBER})( *%)?$`);
  const EXPECTED = {
    time: 'a time with its unit, such as "30 min"',
    count: "a whole number",
    portion: "a number between 0 and 1",
    share: "a number between 0 and 1",
  };
  const number = (text) => Number(text.replaceAll("_", ""));

  // Text as a number in SI units, or null.
  const parse = (text, kind) => {
    let left = text.trim();
    if (kind !== "time") {
      const match = PLAIN.exec(left);
      if (!match || (match[2] && kind === "count")) return null;
      const value = number(match[1]) / (match[2] ? 100 : 1);
      return kind === "count" && !Number.isInteger(value) ? null : value;
    }
    let total = 0, last = Infinity;
    for (let first = true; left; first = false) {
      const match = TERM.exec(left);
      const factor = match && Object.hasOwn(SECONDS, match[2]) ? SECONDS[match[2]] : NaN;
      if (!(factor < last) || (!first && "+-".includes(match[1][0]))) return null;
      total += number(match[1]) * factor;
      last = factor;
      left = left.slice(match[0].length);
    }
    return last < Infinity && Number.isFinite(total) ? total : null;
  };

  // The short text that reads as exactly this number.
  const write = (value, kind) => {
    if (kind !== "time") return String(value);
    if (value === 0) return "0 s";
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1], ["ms", 1e-3]]) {
      if (value < size || (unit === "d" && value < 3 * size)) continue;
      const shown = String(Number((value / size).toPrecision(6)));
      if (Number(shown) * size === value) return `${shown} ${unit}`;
    }
    return `${String(value)} s`;
  };

  return { fixed, general, grouped, formatTime, formatShare, formatBytes, parse, write, EXPECTED };
})();
