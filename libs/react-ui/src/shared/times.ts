const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

let clock: () => number = Date.now;
/** Sets the clock that tells what is today, and how long ago something was. Default: the device's, which may be wrong. */
export const setClock = (milliseconds: () => number): void => void (clock = milliseconds);
/** The time by the clock that {@link setClock} sets, in milliseconds. */
export const now = (): number => clock();

const midnight = (at: Date): number => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
/** The number of midnights between, so that days of 23 and 25 hours count as one. */
const daysAgo = (at: Date): number => Math.round((midnight(new Date(now())) - midnight(at)) / 86_400_000);

/** The time of day. */
export const timeOf = (iso: string): string => timeOfDay.format(new Date(iso));
/** Day and time. */
export const momentOf = (iso: string): string => dateAndTime.format(new Date(iso));
/** A time of today, or a day with its time. */
export const sinceTimeOf = (iso: string): string => (daysAgo(new Date(iso)) <= 0 ? timeOf(iso) : momentOf(iso));
/** The same number for all times of a day. */
export const dayKey = (iso: string): number => midnight(new Date(iso));

/** A day in words, for the line above its messages. */
export function dayOf(iso: string): string {
  const at = new Date(iso);
  const days = daysAgo(at);
  return days === 0
    ? 'Today'
    : days === 1
      ? 'Yesterday'
      : days > 1 && days < 7
        ? weekday.format(at)
        : longDay.format(at);
}

/** A time or day, as short as a list needs. */
export function briefTimeOf(iso: string): string {
  const at = new Date(iso);
  const days = daysAgo(at);
  return days <= 0
    ? timeOfDay.format(at)
    : days === 1
      ? 'Yesterday'
      : days < 7
        ? weekday.format(at)
        : shortDay.format(at);
}

/** How long ago something was, in words. */
export function sinceOf(iso: string): string {
  const minutes = Math.floor((now() - Date.parse(iso)) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 24 * 60 ? `${Math.floor(minutes / 60)} h ago` : briefTimeOf(iso);
}

/** Minutes and seconds. */
export function clockOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** A number of bytes, with a unit. */
export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const step = Math.min(3, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${['B', 'KB', 'MB', 'GB'][step]}`;
}
