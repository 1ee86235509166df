import { daysBefore } from '~/format/time'

/** A span of days, both included, as 2026-11-29. */
export type Period = { from: string; to: string }

export const SPANS = [7, 30, 90, 365] as const

const DAY_MS = 86_400_000

export function daysOf({ from, to }: Period): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS) + 1
}

/** The last `days` days until `to`. */
export function last(days: number, to: string): Period {
  return { from: daysBefore(to, days - 1), to }
}

function firstOfMonth(day: string): string {
  return `${day.slice(0, 7)}-01`
}

function lastOfMonth(day: string): string {
  const [year = 0, month = 0] = day.split('-').map(Number)
  return new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10)
}

/** The month of a day, until that day. */
export function monthTo(day: string): Period {
  return { from: firstOfMonth(day), to: day }
}

/** The whole month before that of a day. */
export function monthBefore(day: string): Period {
  return monthTo(daysBefore(firstOfMonth(day), 1))
}

/**
 * The period to compare with: the span of the same length that ends the day before. The first days of a month are
 * compared with the same days of the month before, and a whole month with the whole month before.
 */
export function before(period: Period): Period {
  const { from, to } = period
  if (from !== firstOfMonth(to)) return last(daysOf(period), daysBefore(from, 1))
  const month = monthBefore(from)
  if (to === lastOfMonth(to)) return month
  const sameDay = `${month.to.slice(0, 8)}${to.slice(8)}`
  return { from: month.from, to: sameDay < month.to ? sameDay : month.to }
}

/** Each day of the period, the first one first. */
export function eachDay(period: Period): string[] {
  const days = daysOf(period)
  return Array.from({ length: days }, (_, place) => daysBefore(period.to, days - 1 - place))
}

/** A field of a CSV file, quoted where needed. A text that a spreadsheet would run as a formula gets an apostrophe. */
export function csvField(value: string | number): string {
  const text = String(value)
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export function csv(rows: (string | number)[][]): string {
  return rows.map((row) => `${row.map(csvField).join(',')}\r\n`).join('')
}
