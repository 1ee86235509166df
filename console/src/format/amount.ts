/** Amounts as people type them, and as the API takes them: decimal strings with a point. */

/** Returns the decimal string of a typed amount, such as 12,90 or 1.290,00, or null if it is not an amount. */
export function amountOf(typed: string): string | null {
  const text = typed.trim().replaceAll(/[\s\u00a0'’]/g, '')
  // With both separators, the last one is that of the decimals. With one alone, it is that of the decimals.
  const last = Math.max(text.lastIndexOf('.'), text.lastIndexOf(','))
  const whole = last < 0 ? text : text.slice(0, last)
  const decimals = last < 0 ? '' : text.slice(last + 1)
  const other = text[last] === '.' ? ',' : '.'
  const isGrouped = whole.includes(other)
  if (isGrouped && !/^\d{1,3}([.,]\d{3})+$/.test(whole)) return null
  const digits = isGrouped ? whole.replaceAll(other, '') : whole
  if (!/^\d{1,30}$/.test(digits) || !/^\d{0,10}$/.test(decimals)) return null
  return decimals ? `${digits}.${decimals}` : digits
}

/** Whether two decimal strings are the same amount: 36.5 and 36.50. */
export function isSameAmount(one: string, other: string): boolean {
  return plain(one) === plain(other)
}

function plain(amount: string): string {
  const [whole = '', decimals = ''] = amount.split('.')
  return `${whole.replace(/^0+(?=\d)/, '')}.${decimals.replace(/0+$/, '')}`
}

/** Writes an amount as the reader would type it: 12.90 is 12,90 in German. */
export function typedAmount(amount: string, locale: string): string {
  const separator = (1.5).toLocaleString(locale)[1] ?? '.'
  return amount.replace('.', separator)
}
