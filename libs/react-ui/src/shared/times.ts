import { localeOf } from '../strings/formats.ts';
import { currentStrings } from '../strings/strings.tsx';

// A component that shows a time calls `useStrings`, so that it renders again when the language changes.

interface DateFormats {
  readonly timeOfDay: Intl.DateTimeFormat;
  readonly weekday: Intl.DateTimeFormat;
  readonly shortDay: Intl.DateTimeFormat;
  readonly longDay: Intl.DateTimeFormat;
  readonly dateAndTime: Intl.DateTimeFormat;
}

const formatsByLanguage = new Map<string, DateFormats>();
/** The formats of the present language. */
function formats(): DateFormats {
  const { language } = currentStrings();
  const present = formatsByLanguage.get(language);
  if (present) return present;
  // The digits of all other numbers.
  const { numberingSystem } = new Intl.NumberFormat(language).resolvedOptions();
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(localeOf(language), { ...options, numberingSystem });
  const made = {
    timeOfDay: format({ hour: '2-digit', minute: '2-digit' }),
    weekday: format({ weekday: 'long' }),
    shortDay: format({ day: 'numeric', month: 'short' }),
    longDay: format({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
    dateAndTime: format({ dateStyle: 'medium', timeStyle: 'short' }),
  };
  formatsByLanguage.set(language, made);
  return made;
}

let clock: () => number = Date.now;
/** Sets the clock that tells what is today, and how long ago something was. Default: the device's, which may be wrong. */
export const setClock = (milliseconds: () => number): void => void (clock = milliseconds);
/** The time by the clock that {@link setClock} sets, in milliseconds. */
export const now = (): number => clock();

const midnight = (at: Date): number => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
/** The number of midnights between, so that days of 23 and 25 hours count as one. */
const daysAgo = (at: Date): number => Math.round((midnight(new Date(now())) - midnight(at)) / 86_400_000);

/** The time of day. */
export const timeOf = (iso: string): string => formats().timeOfDay.format(new Date(iso));
/** Day and time. */
export const momentOf = (iso: string): string => formats().dateAndTime.format(new Date(iso));
/** A time of today, or a day with its time. */
export const sinceTimeOf = (iso: string): string => (daysAgo(new Date(iso)) <= 0 ? timeOf(iso) : momentOf(iso));
/** The same number for all times of a day. */
export const dayKey = (iso: string): number => midnight(new Date(iso));

/** A day in words, for the line above its messages. */
export function dayOf(iso: string): string {
  const at = new Date(iso);
  const days = daysAgo(at);
  return days === 0
    ? currentStrings().times.today
    : days === 1
      ? currentStrings().times.yesterday
      : days > 1 && days < 7
        ? formats().weekday.format(at)
        : formats().longDay.format(at);
}

/** A time or day, as short as a list needs. */
export function briefTimeOf(iso: string): string {
  const at = new Date(iso);
  const days = daysAgo(at);
  return days <= 0
    ? formats().timeOfDay.format(at)
    : days === 1
      ? currentStrings().times.yesterday
      : days < 7
        ? formats().weekday.format(at)
        : formats().shortDay.format(at);
}

/** How long ago something was, in words. */
export function sinceOf(iso: string): string {
  const minutes = Math.floor((now() - Date.parse(iso)) / 60_000);
  if (minutes < 1) return currentStrings().times.justNow;
  if (minutes < 60) return currentStrings().times.minutesAgo(minutes);
  return minutes < 24 * 60 ? currentStrings().times.hoursAgo(Math.floor(minutes / 60)) : briefTimeOf(iso);
}

/** Minutes and seconds. */
export function clockOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** A number of bytes, with a unit. */
export function sizeOf(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  const digits = step > 0 && value < 10 ? 1 : 0;
  const { language, common } = currentStrings();
  const format = new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return common.size(format.format(value), (['B', 'KB', 'MB', 'GB'] as const)[step]!);
}
