/** What the usual expressions of a schedule mean. */

export type Meaning =
  | { kind: 'rate'; count: number; unit: 'minute' | 'hour' | 'day' }
  | { kind: 'daily' | 'workdays' | 'lastOfMonth'; time: string }
  | { kind: 'weekly'; time: string; weekday: number }
  | { kind: 'monthly'; time: string; day: number }

const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/** Returns the meaning of an expression, or null for those that are shown as they are. Times are UTC, as 06:30. */
export function meaningOf(expression: string): Meaning | null {
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression)
  if (rate) return { kind: 'rate', count: Number(rate[1]), unit: rate[2] as 'hour' }
  const cron = /^cron\((\d+) (\d+) (\S+) \* (\S+) \*\)$/.exec(expression)
  if (!cron) return null
  const [, minute = '', hour = '', day = '', weekday = ''] = cron
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`
  if (day !== '?' && weekday === '?') {
    if (day === '*') return { kind: 'daily', time }
    if (day === 'L') return { kind: 'lastOfMonth', time }
    return /^\d+$/.test(day) ? { kind: 'monthly', time, day: Number(day) } : null
  }
  if (day !== '?') return null
  if (weekday === '*') return { kind: 'daily', time }
  if (weekday === 'MON-FRI' || weekday === '2-6') return { kind: 'workdays', time }
  const place = /^[1-7]$/.test(weekday) ? Number(weekday) - 1 : WEEKDAYS.indexOf(weekday)
  return place < 0 ? null : { kind: 'weekly', time, weekday: place }
}

/** The name of a day of the week; 0 is Sunday. */
export function weekdayName(weekday: number, locale: string): string {
  // 2026-11-29 is a Sunday.
  const date = new Date(Date.UTC(2026, 10, 29 + weekday))
  return new Intl.DateTimeFormat(locale, { weekday: 'long', timeZone: 'UTC' }).format(date)
}

export const DAILY = 'cron(30 6 * * ? *)'
export const WEEKLY = 'cron(0 7 ? * MON *)'

export const EXAMPLES = [
  DAILY,
  'cron(0 18 ? * MON-FRI *)',
  WEEKLY,
  'cron(0 7 1 * ? *)',
  'cron(0 7 L * ? *)',
  'rate(12 hours)',
]
