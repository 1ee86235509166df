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

/** The span of the same length that ends the day before. */
export function before(period: Period): Period {
  return last(daysOf(period), daysBefore(period.from, 1))
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
