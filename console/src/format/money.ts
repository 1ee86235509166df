/** Amounts are decimal strings in the API; they are formatted without going through a binary number. */

const formats = new Map<string, Intl.NumberFormat>()

function format(locale: string, currency: string, compact: boolean): Intl.NumberFormat {
  const name = `${locale} ${currency} ${compact}`
  let found = formats.get(name)
  if (!found) {
    const style: Intl.NumberFormatOptions = { style: 'currency', currency }
    found = new Intl.NumberFormat(
      locale,
      compact ? { ...style, notation: 'compact', maximumFractionDigits: 1 } : style,
    )
    formats.set(name, found)
  }
  return found
}

export function money(amount: string, currency: string, locale: string): string {
  // `format` takes decimal strings exactly (ECMA-402, 2023); the types know numbers alone.
  return format(locale, currency, false).format(amount as unknown as number)
}

/** A short form for charts and tiles: €12.3K. */
export function shortMoney(amount: string | number, currency: string, locale: string): string {
  return format(locale, currency, true).format(Number(amount))
}

export function count(value: number, locale: string): string {
  return value.toLocaleString(locale)
}

/** The change from `before` to `now` as a percentage, or null where `before` is nothing. */
export function change(now: number, before: number): number | null {
  return before === 0 ? null : ((now - before) / before) * 100
}
