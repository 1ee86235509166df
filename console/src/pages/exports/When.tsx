import { useFormats, useTexts } from '~/texts'
import { meaningOf, weekdayName } from './expressions'

/** The meaning of a schedule's expression in words, or the expression itself. */
export function useMeaning(): (expression: string) => string {
  const texts = useTexts()
  const { locale } = useFormats()
  const { when } = texts.exports
  return (expression) => {
    const it = meaningOf(expression)
    switch (it?.kind) {
      case 'rate':
        return when.rate(it.count, it.unit)
      case 'weekly':
        return when.weekly(weekdayName(it.weekday, locale), it.time)
      case 'monthly':
        return when.monthly(it.day, it.time)
      case 'daily':
      case 'workdays':
      case 'lastOfMonth':
        return when[it.kind](it.time)
      default:
        return expression
    }
  }
}
