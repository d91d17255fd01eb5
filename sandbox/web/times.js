// Moments as people read them, in the reader's own time zone and language.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

const DAY = 86_400_000;

export const atClock = (moment) => clock.format(moment);
export const inFull = (moment) => whole.format(moment);

/** The day as a heading: Today, Yesterday, or its name. */
export function dayName(moment, now = Date.now()) {
  const days = Math.round((startOfDay(now) - startOfDay(moment)) / DAY);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days > 300 ? short.format(moment) : day.format(moment);
}

export const startOfDay = (moment) => new Date(moment).setHours(0, 0, 0, 0);

/** The time of today's moments, the date of others. */
export function briefly(moment, now = Date.now()) {
  return startOfDay(moment) === startOfDay(now) ? atClock(moment) : short.format(moment);
}

/** A duration in words: 42 s, 3 min, 2 h 5 min, 4 days. */
export function lasting(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}
