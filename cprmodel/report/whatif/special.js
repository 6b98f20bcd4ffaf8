// The special functions that SymPy's printer has no JavaScript for, after the NumPy backend
// (cprmodel/facts/special.py says what each one is; SERIES are that backend's coefficients).
const special = (() => {
  const sum = (x, coefficients) => coefficients.reduceRight((total, one) => total * x + one, 0);

  // W0(z) for z in (-1/e, 0), by Halley's iteration; used well away from the branch point only.
  const lambertw = (z) => {
    let w = z * (1 - z);
    for (let i = 0; i < 60; i += 1) {
      const e = Math.exp(w), f = w * e - z;
      const step = f / (e * (w + 1) - ((w + 2) * f) / (2 * w + 2));
      w -= step;
      if (!(Math.abs(step) > 1e-16 * Math.abs(w))) break;
    }
    return w;
  };

  const renewal_root = (c) =>
    c < 0.5 ? sum(Math.sqrt(2 * c), SERIES.renewal_root) : 1 + lambertw(-Math.exp(-1 - c));
  const phi2 = (z) => (Math.abs(z) < 1 ? sum(z, SERIES.phi2) : (Math.expm1(z) - z) / (z * z));
  const phi3 = (z) => (Math.abs(z) < 1 ? sum(z, SERIES.phi3) : (phi2(z) - 0.5) / z);
  const log1p_gap = (z) => {
    if (Math.abs(z) >= 0.5) return z - Math.log1p(z);
    const r = z / (2 + z);
    return r * z - 2 * r ** 3 * sum(r * r, SERIES.atanh);
  };
  const exprel = (z) => (z === 0 ? 1 : Math.expm1(z) / z);
  const quotient = (a, b) => (b === 0 ? Infinity : a / b);
  const cubic_root = (a, b) => {
    const scale = Math.max(Math.sqrt(a), Math.cbrt(b)), p = a / scale ** 2, q = b / scale / scale ** 2;
    if (scale === 0) return 0;
    let x = 1.324717957244746; // x³ = x + 1: from above
    for (let i = 0; i < 6; i += 1) x -= (x * (x * x - p) - q) / (3 * x * x - p);
    return x * scale;
  };
  const joint_gap = (x, y) => {
    if (x >= 0.5) return (exprel(-y) - Math.exp(-x) * exprel(x - y)) / x - exprel(-x) ** 2 / 2;
    let one = 1, two = 1, three = 1, factor = 1 / 6, found = 1 / 6;
    for (let n = 1; n < 20; n += 1) {
      one *= x;
      two = one + y * two;
      three = two + 2 * x * three;
      factor = -factor / (n + 3);
      found += factor * three;
    }
    return (2 * x - y) * found;
  };
  const intervals = (work, interval) => Math.max(Math.ceil((work / interval) * (1 - 1e-12)), 1);

  return { joint_gap, renewal_root, phi2, phi3, log1p_gap, exprel, quotient, intervals, cubic_root };
})();
