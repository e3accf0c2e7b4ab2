// A patient's limits: what holds, and the lines that are drawn of it.

const PLAIN = ["systolic_high", "systolic_low", "diastolic_high", "diastolic_low"];

// The lines of a chart: each value once, the highest first.  `own`: it is not the rules' own bound.
export function limitLines({ bounds = {} } = {}) {
  const lines = new Map();
  for (const name of PLAIN) {
    const bound = bounds[name];
    if (bound == null) continue;
    const line = lines.get(bound.value) ?? { value: bound.value, names: [], own: false };
    line.names.push(name);
    line.own ||= bound.from !== "default";
    lines.set(bound.value, line);
  }
  return [...lines.values()].sort((one, other) => other.value - one.value);
}

// Whether a limit of this patient differs from the rules' own.
export function hasOwnLimits({ bounds = {} } = {}) {
  return Object.values(bounds).some((bound) => bound.from !== "default");
}
