// Ages in words; `age` is in milliseconds.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function ageText(age) {
  if (Number.isNaN(age)) return "at an unknown time";
  if (age < MINUTE) return `${Math.max(0, Math.floor(age / SECOND))} s ago`;
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min ago`;
  if (age < DAY) return `${Math.floor(age / HOUR)} h ago`;
  return `${Math.floor(age / DAY)} d ago`;
}
