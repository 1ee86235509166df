/** Times of the API are UTC with a Z; people read them in the zone of the shop. */

const formats = new Map<string, Intl.DateTimeFormat>()

function format(
  locale: string,
  zone: string | undefined,
  options: Intl.DateTimeFormatOptions,
): Intl.DateTimeFormat {
  const name = `${locale} ${zone} ${JSON.stringify(options)}`
  let found = formats.get(name)
  if (!found) {
    found = new Intl.DateTimeFormat(locale, zone ? { ...options, timeZone: zone } : options)
    formats.set(name, found)
  }
  return found
}

export function dateTime(time: string, locale: string, zone?: string): string {
  return format(locale, zone, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time))
}

/** With seconds, for events that happen several times a minute. */
export function exact(time: string, locale: string, zone?: string): string {
  return format(locale, zone, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(time))
}

/** A day with its year, for a time in a zone. */
export function fullDay(time: string, locale: string, zone?: string): string {
  return format(locale, zone, { dateStyle: 'medium' }).format(new Date(time))
}

/** A day of a report, such as 2026-11-29, which has no time and no zone. */
export function day(date: string, locale: string): string {
  return format(locale, 'UTC', { day: 'numeric', month: 'short' }).format(new Date(`${date}T00:00:00Z`))
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]

/** "3 hours ago" or "in 20 minutes"; the date where it is more than a week away. */
export function ago(time: string, locale: string, now: number, zone?: string): string {
  const seconds = (new Date(time).getTime() - now) / 1000
  if (Math.abs(seconds) > 7 * 86_400)
    return format(locale, zone, { dateStyle: 'medium' }).format(new Date(time))
  const words = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit)
  }
  return words.format(0, 'second')
}

/** The date `days` before `date`, both as 2026-11-29. */
export function daysBefore(date: string, days: number): string {
  const time = new Date(`${date}T00:00:00Z`)
  time.setUTCDate(time.getUTCDate() - days)
  return time.toISOString().slice(0, 10)
}

/** Today as 2026-11-29 in a zone. */
export function today(now: number, zone?: string): string {
  return format('sv-SE', zone, { dateStyle: 'short' }).format(new Date(now))
}

/** The value of a field for date and time, in the zone of the browser, to the minute. */
export function toInput(time: string): string {
  const date = new Date(time)
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 16)
}

/** The time of such a field. */
export function fromInput(value: string): string {
  return new Date(value).toISOString()
}
